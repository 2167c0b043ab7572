import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `body` while programs of these names are shell scripts; `others`: the rest of PATH. */
export async function withPrograms<T>(
  scripts: Readonly<Record<string, string>>,
  body: () => Promise<T>,
  others = process.env["PATH"] ?? "",
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "r2k-programs-"));
  const before = process.env["PATH"];
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  process.env["PATH"] = `${folder}:${others}`;
  try {
    return await body();
  } finally {
    process.env["PATH"] = before;
    rmSync(folder, { recursive: true });
  }
}
