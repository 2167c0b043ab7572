// Makes base/proto/gen/*.ts from base/proto/schema. Usage: node scripts/proto/generate.ts
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateAll } from "./typescript.ts";

const genDir = join(import.meta.dirname, "../../base/proto/gen");
mkdirSync(genDir, { recursive: true });
for (const [name, text] of generateAll()) writeFileSync(join(genDir, `${name}.ts`), text);
