"""The way into the studio: sessions by cookie, the pages before one is signed in, and what is refused at the door."""
