//! The artifact: a standard `.sql.gz` that carries its own index and proof. `docs/FORMAT.md` describes it.

mod cutter;
mod format;
