"""What exists and where it rests: tables, migrations, queries and the object store.

The only room with SQL. Everything goes in and out as value types of ``kernel.model``.
"""
