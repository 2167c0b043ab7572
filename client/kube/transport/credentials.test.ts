import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { TOKEN_REREAD_MS } from "../limits.ts";
import { tokenReader } from "./credentials.ts";

test("a token file that is empty or gone for a moment leaves the last token in use", async () => {
  const dir = testFolder("r2k-token-");
  const file = join(dir, "token");
  const clock = new ManualClock();
  const reader = tokenReader({ file }, clock);
  await expect(reader.read()).rejects.toMatchObject({ name: "TransportError", code: "ETOKEN" });
  await writeFile(file, "");
  await expect(reader.read()).rejects.toMatchObject({ message: /it is empty/ });
  await writeFile(file, "first\n");
  expect(await reader.read()).toBe("first");
  await writeFile(file, "");
  clock.advance(TOKEN_REREAD_MS);
  expect(await reader.read()).toBe("first");
  await rm(file);
  clock.advance(TOKEN_REREAD_MS);
  expect(await reader.read()).toBe("first");
  await writeFile(file, "second\n");
  reader.rejected();
  expect(await reader.read()).toBe("second");
});
