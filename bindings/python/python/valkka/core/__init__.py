"""Level 1 of Valkka: threads, frame filters and contexts, wired by hand."""

from valkka.core.valkka_core import *
