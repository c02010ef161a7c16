"""The studio: the web console. Pages show and change through `tieline.admin` and know no other way in."""
