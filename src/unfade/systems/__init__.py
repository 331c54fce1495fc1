"""Systems: declarations of what a network sees, learns and means. They own no loop, file or device."""
