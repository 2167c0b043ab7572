/**
 * Completes `package-lock.json` for the platforms that the registry in use does not serve.
 * Use, after `npm install`: `node scripts/lock.ts`.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LockEntries, missingEntries } from "./lock/complete.ts";

const FILE = join(import.meta.dirname, "../package-lock.json");

const lock = JSON.parse(readFileSync(FILE, "utf8")) as { packages: LockEntries };
const missing = missingEntries(lock.packages);
const packages = Object.entries({ ...lock.packages, ...missing });
packages.sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = Object.fromEntries(packages);
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${Object.keys(missing).length} entries added to package-lock.json`);
