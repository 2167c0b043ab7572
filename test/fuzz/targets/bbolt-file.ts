import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BboltError } from "@raft2kube/bbolt/errors.ts";
import { META_PAGE_BYTES, sealMetaPage } from "@raft2kube/bbolt/meta-page.ts";
import { PAGE_BYTES } from "@raft2kube/bbolt/page.ts";
import { openBbolt } from "@raft2kube/bbolt/read.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { fillBackend } from "@raft2kube/store/bbolt/fill-backend.ts";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import type { Target } from "../target.ts";

const FIXTURES = join(import.meta.dirname, "../../../store/bbolt/testdata");
const REFUSALS = ["BBOLT_DAMAGED", "BBOLT_FORMAT", "DOWNGRADE_TARGET"];
let made: string | undefined;

/** Snapshots of etcd's and db files of its members, as `r2k store import` takes them. */
export const bboltFile: Target = {
  name: "bbolt-file",
  corpus: async () =>
    ["etcd-3.4.db", "etcd-3.6.db"].map((name) => {
      const bytes = readFileSync(join(FIXTURES, name));
      // Without its digest, which a member's own file has not, damage reaches the pages.
      return bytes.subarray(0, bytes.length - (bytes.length % 512));
    }),
  seal(bytes) {
    for (const at of [0, PAGE_BYTES]) {
      if (bytes.length >= at + META_PAGE_BYTES) sealMetaPage(bytes.subarray(at));
    }
    return bytes;
  },
  async read(bytes) {
    made ??= mkdtempSync(join(tmpdir(), "r2k-fuzz-"));
    const path = join(made, "input");
    writeFileSync(path, bytes);
    try {
      const file = await openBbolt(path);
      try {
        await fillBackend(path, file, memoryBackend());
      } finally {
        await file.close();
      }
      return "taken";
    } catch (thrown) {
      const typed = thrown instanceof BboltError || thrown instanceof CodedError;
      if (typed && REFUSALS.includes(thrown.code)) return "refused";
      throw thrown;
    }
  },
  close() {
    if (made) rmSync(made, { recursive: true });
    made = undefined;
  },
};
