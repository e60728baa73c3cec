"""A window of a process that knows nothing of Valkka.

Arguments: the display, width, height, and the depth (24, or 32 for one with an alpha channel).

Prints "window N" once it is on the screen. Lines of input: "resize W H", "hide", "show", "destroy" (the window
alone; the process stays). Ends when its input does.
"""
import select
import sys

from Xlib import X, display


def create(connection, screen, width, height, depth):
    visual, colormap = X.CopyFromParent, X.CopyFromParent
    if depth != screen.root_depth:
        visual = next(
            visual.visual_id
            for allowed in screen.allowed_depths
            if allowed.depth == depth
            for visual in allowed.visuals
            if visual.visual_class == X.TrueColor
        )
        colormap = screen.root.create_colormap(visual, X.AllocNone)
    return screen.root.create_window(
        0, 0, width, height, 0, depth, X.InputOutput, visual,
        background_pixel=0xFF8000, border_pixel=0, colormap=colormap, event_mask=X.StructureNotifyMask,
    )


def main(name, width, height, depth):
    connection = display.Display(name)
    window = create(connection, connection.screen(), int(width), int(height), int(depth))
    window.map()
    connection.sync()
    while connection.next_event().type != X.MapNotify:
        pass
    print("window", window.id, flush=True)
    while True:
        # The events are of no interest, but unread they would pile up.
        while connection.pending_events():
            connection.next_event()
        ready, _, _ = select.select([sys.stdin, connection.fileno()], [], [])
        if sys.stdin not in ready:
            continue
        words = sys.stdin.readline().split()
        if not words:
            return
        if words[0] == "resize":
            window.configure(width=int(words[1]), height=int(words[2]))
        else:
            {"hide": window.unmap, "show": window.map, "destroy": window.destroy}[words[0]]()
        connection.sync()
        print("done", *words, flush=True)


main(*sys.argv[1:])
