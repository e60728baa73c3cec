//! OpenGL contexts and surfaces, by EGL.
//!
//! libEGL and libxcb are opened at run time, so a machine without a screen needs neither. EGL gets a
//! connection to the X server of its own: window ids mean the same in all of them, what a driver does to its
//! connection does not touch ours, and an error of the server does not end the process.
#![allow(unsafe_code, reason = "EGL is a library of C")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;

use khronos_egl as egl;
use tracing::debug;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::Window as XWindow;
use x11rb::xcb_ffi::XCBConnection;

/// One context for all windows of a screen.
pub(super) struct Egl {
    library: egl::DynamicInstance<egl::EGL1_5>,
    display: egl::Display,
    config: egl::Config,
    context: egl::Context,
    surfaces: BTreeMap<XWindow, egl::Surface>,
    /// Last: the display refers to it.
    connection: XCBConnection,
}

impl Egl {
    /// Makes a context for windows with the visual `visual` of the screen `screen`, and makes it current on
    /// this thread, without a surface.
    pub(super) fn open(name: &str, screen: usize, visual: u32) -> Result<Self, String> {
        // SAFETY: opens libEGL, whose constructors are those of a library that programs link to as a matter
        // of course; its functions have the types that EGL 1.5 gives them.
        let library = unsafe { egl::DynamicInstance::<egl::EGL1_5>::load_required() }
            .map_err(|error| format!("cannot open libEGL.so of EGL 1.5 ({error:?})"))?;
        let name = CString::new(name).map_err(|_| "the name of the display is not one".to_owned())?;
        let (connection, _) = XCBConnection::connect(Some(&name))
            .map_err(|error| format!("cannot connect by libxcb.so ({error})"))?;
        let extensions = library.query_string(None, egl::EXTENSIONS).unwrap_or_default().to_string_lossy();
        if !has_word(&extensions, "EGL_EXT_platform_xcb") {
            return Err("EGL lacks EGL_EXT_platform_xcb".to_owned());
        }
        let attributes = [PLATFORM_XCB_SCREEN, screen, egl::ATTRIB_NONE];
        // SAFETY: the pointer is a live xcb connection, as this platform takes; it is dropped after the display.
        let display = unsafe {
            library.get_platform_display(PLATFORM_XCB, connection.get_raw_xcb_connection(), &attributes)
        };
        let display = display.map_err(|error| failed("eglGetPlatformDisplay", error))?;
        library.initialize(display).map_err(|error| failed("eglInitialize", error))?;
        let made = make_context(&library, display, visual);
        let (config, context) = match made {
            Ok(made) => made,
            Err(reason) => {
                let _ = library.terminate(display);
                return Err(reason);
            }
        };
        Ok(Self { library, display, config, context, surfaces: BTreeMap::new(), connection })
    }

    /// The address of an OpenGL function; null if there is none.
    pub(super) fn function(&self, name: &str) -> *const std::ffi::c_void {
        self.library.get_proc_address(name).map_or(std::ptr::null(), |function| function as *const _)
    }

    /// Makes the context current on a window, which gets a surface if it has none.
    pub(super) fn bind(&mut self, window: XWindow) -> Result<(), String> {
        if let Some(&surface) = self.surfaces.get(&window) {
            return self.make_current(Some(surface));
        }
        let mut id = window;
        // SAFETY: this platform takes a pointer to the window's id, which is read during the call. A window
        // that is gone is an error, not a fault.
        let made = unsafe {
            self.library.create_platform_window_surface(
                self.display,
                self.config,
                (&raw mut id).cast(),
                &[egl::ATTRIB_NONE],
            )
        };
        let surface = made.map_err(|error| failed("eglCreatePlatformWindowSurface", error))?;
        self.surfaces.insert(window, surface);
        self.make_current(Some(surface))?;
        // It is a property of the surface. With it, each window would wait for the screen in turn.
        if let Err(error) = self.library.swap_interval(self.display, 0) {
            debug!(%error, "cannot do without waiting for the screen");
        }
        Ok(())
    }

    /// Width and height of a window's surface as OpenGL sees it.
    pub(super) fn size(&self, window: XWindow) -> Option<(u32, u32)> {
        let surface = *self.surfaces.get(&window)?;
        let ask = |what| self.library.query_surface(self.display, surface, what).ok();
        Some((u32::try_from(ask(egl::WIDTH)?).ok()?, u32::try_from(ask(egl::HEIGHT)?).ok()?))
    }

    /// Shows what was drawn since [`Self::bind`].
    pub(super) fn swap(&self, window: XWindow) -> Result<(), String> {
        let Some(&surface) = self.surfaces.get(&window) else { return Ok(()) };
        self.library.swap_buffers(self.display, surface).map_err(|error| failed("eglSwapBuffers", error))
    }

    /// Lets go of windows that `keep` does not keep.
    pub(super) fn retain(&mut self, keep: impl Fn(XWindow) -> bool) {
        let gone: Vec<XWindow> = self.surfaces.keys().copied().filter(|&window| !keep(window)).collect();
        if !gone.is_empty() {
            let _ = self.make_current(None);
        }
        for window in gone {
            if let Some(surface) = self.surfaces.remove(&window) {
                let _ = self.library.destroy_surface(self.display, surface);
            }
        }
    }

    /// Drops what the server sent to EGL's connection: errors about windows that are gone, mostly.
    pub(super) fn drain(&self) {
        while let Ok(Some(_)) = self.connection.poll_for_event() {}
    }

    fn make_current(&self, surface: Option<egl::Surface>) -> Result<(), String> {
        self.library
            .make_current(self.display, surface, surface, Some(self.context))
            .map_err(|error| failed("eglMakeCurrent", error))
    }
}

impl Drop for Egl {
    fn drop(&mut self) {
        let _ = self.library.make_current(self.display, None, None, None);
        for &surface in self.surfaces.values() {
            let _ = self.library.destroy_surface(self.display, surface);
        }
        let _ = self.library.destroy_context(self.display, self.context);
        let _ = self.library.terminate(self.display);
        let _ = self.library.release_thread();
    }
}

impl fmt::Debug for Egl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Egl({} surfaces)", self.surfaces.len())
    }
}

fn make_context(
    library: &egl::DynamicInstance<egl::EGL1_5>,
    display: egl::Display,
    visual: u32,
) -> Result<(egl::Config, egl::Context), String> {
    let extensions = library
        .query_string(Some(display), egl::EXTENSIONS)
        .map_err(|error| failed("eglQueryString", error))?
        .to_string_lossy();
    // The context is used before there is a window, and when the last one has gone.
    if !has_word(&extensions, "EGL_KHR_surfaceless_context") {
        return Err("EGL lacks EGL_KHR_surfaceless_context".to_owned());
    }
    library.bind_api(egl::OPENGL_ES_API).map_err(|error| failed("eglBindAPI", error))?;
    let wanted = [egl::SURFACE_TYPE, egl::WINDOW_BIT, egl::RENDERABLE_TYPE, egl::OPENGL_ES3_BIT, egl::NONE];
    let mut configs = Vec::with_capacity(1024);
    library
        .choose_config(display, &wanted, &mut configs)
        .map_err(|error| failed("eglChooseConfig", error))?;
    // All we draw in has the root's visual, whatever windows of others have.
    let config = configs
        .into_iter()
        .find(|&config| {
            library.get_config_attrib(display, config, egl::NATIVE_VISUAL_ID) == Ok(visual.cast_signed())
        })
        .ok_or_else(|| format!("EGL cannot draw in windows of the screen's visual {visual:#x}"))?;
    let attributes = [egl::CONTEXT_MAJOR_VERSION, 3, egl::NONE];
    let context = library
        .create_context(display, config, None, &attributes)
        .map_err(|error| failed("eglCreateContext", error))?;
    if let Err(error) = library.make_current(display, None, None, Some(context)) {
        let _ = library.destroy_context(display, context);
        return Err(failed("eglMakeCurrent", error));
    }
    Ok((config, context))
}

fn failed(call: &str, error: egl::Error) -> String {
    format!("{call} failed: {error}")
}

fn has_word(words: &str, word: &str) -> bool {
    words.split(' ').any(|other| other == word)
}

/// `EGL_PLATFORM_XCB_EXT` and `EGL_PLATFORM_XCB_SCREEN_EXT` (EGL_EXT_platform_xcb).
const PLATFORM_XCB: egl::Enum = 0x31DC;
const PLATFORM_XCB_SCREEN: egl::Attrib = 0x31DE;
