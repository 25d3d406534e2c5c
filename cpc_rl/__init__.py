"""Recurrent A2C with contrastive auxiliary losses: the library. Import the modules you need; nothing runs here."""
