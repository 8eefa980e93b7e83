"""What works for the editor behind its widgets: session, media, worker, previews, renders."""
