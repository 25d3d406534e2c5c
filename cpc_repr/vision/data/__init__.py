"""Pictures: read, drawn, cut into patches, augmented, and put into batches."""
