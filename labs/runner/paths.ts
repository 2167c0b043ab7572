import { join } from "node:path";

/** The product's directory: set by bootstrap.mjs, else two levels above this file. */
export const ROOT_DIR = process.env["R2K_ROOT"] ?? join(import.meta.dirname, "../..");

export const LABS_DIR = join(ROOT_DIR, "labs");
