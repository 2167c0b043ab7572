/** Writes `api/gen/` from `api/facts/`. Use: `node scripts/api-gen.ts`. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { factsOf } from "../api/facts.ts";
import { interfacesText } from "./api-gen/interfaces.ts";
import { PACKAGES } from "./facts/packages.ts";

const GEN_DIR = join(import.meta.dirname, "../api/gen");

for (const each of PACKAGES) {
  const file = join(GEN_DIR, `${each.name}.ts`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, interfacesText(factsOf(each.name)));
}
