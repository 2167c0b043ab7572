// For runner.test.ts: records where temporary files are.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "vitest";

test("has a folder", () => writeFileSync(process.env["R2K_CASE_FOLDERS"]!, tmpdir()));
