//! Compiles and runs a definition: mappings, steps, connectors.
