"""What the packages that run other people's programs share: where caches lie, and how pinned npm packages get there."""
