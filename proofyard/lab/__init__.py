"""What runs mean: figures, tables, reports and files. Everything here reads results; nothing here makes them."""
