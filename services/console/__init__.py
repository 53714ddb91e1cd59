"""The console: a read model of the cases, staff sign-in, and the page that shows the cases live."""
