import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "./sources.ts";

const BIOME = join(ROOT, "node_modules/.bin/biome");

it("the formatter would change nothing; `npm run format` applies it", async () => {
  const report = await new Promise<string>((resolve) => {
    execFile(BIOME, ["check", "--max-diagnostics=20"], { cwd: ROOT }, (error, stdout, stderr) =>
      resolve(error ? `${error.message}\n${stdout}${stderr}` : ""),
    );
  });
  expect(report).toBe("");
});
