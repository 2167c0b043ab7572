import { mkdirSync, mkdtempDisposableSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { expect, test } from "vitest";
import { copyInto } from "./copy-step.ts";
import { parseDockerfile } from "./parse.ts";

test.runIf(process.getuid?.() === 0)("stages unpack archives at the same time", async () => {
  using base = mkdtempDisposableSync(path.join(tmpdir(), "r2k-copy-"));
  const at = (...names: string[]) => path.join(base.path, ...names);
  for (const name of ["context", "work"]) mkdirSync(at(name));
  const instruction = parseDockerfile("FROM x\nADD a /d/")[1]!;
  const source = {
    root: at("context"),
    isIgnored: () => false,
    leavesOut: false,
    keepsOwners: false,
  };
  const stages = Array.from({ length: 4 }, (_, stage) => `${stage}`);
  await Promise.all(
    stages.map(async (stage) => {
      mkdirSync(at(stage));
      const entries = Array.from({ length: 50 }, (_, each) => ({ name: `${stage}-${each}` }));
      const tar = writeTar(entries.map((entry) => ({ ...entry, content: "x" })));
      writeFileSync(at("context", `${stage}.tar`), await buffer(tar));
      const step = {
        instruction,
        source,
        places: [`${stage}.tar`],
        heredocs: [],
        downloads: new Map(),
        destination: "/d/",
        unpacks: true,
      };
      await copyInto(at(stage), step, 0, {
        work: at("work"),
        signal: new AbortController().signal,
      });
    }),
  );
  for (const stage of stages) {
    const names = readdirSync(at(stage, "d"));
    expect(names.filter((name) => name.startsWith(`${stage}-`))).toHaveLength(50);
    expect(names).toHaveLength(50);
  }
  expect(readdirSync(at("work"))).toEqual([]);
});
