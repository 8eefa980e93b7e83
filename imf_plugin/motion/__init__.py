"""Motion as data: flow algebra and pictures of flow."""
