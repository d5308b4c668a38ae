"""HTTP in, HTML or sound out. A view asks one question and renders the response."""
