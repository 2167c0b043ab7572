// Takes turns, a cluster on a reader's parts: all files run the bundle that has them all, here
// three members of the store, in own-apiserver.test.ts a control plane, in assembled.test.ts nodes
// too, in test/contract a node's proxy or its overlay.

import { afterAll, describe, expect, it } from "vitest";
import { playFinish } from "./finish/finish.ts";
import { OwnPart, PARTS } from "./testing/own-part.ts";

/** The part whose check takes least; the parts of several labs are `runner/parts.test.ts`'s. */
const LAB = "02";
const own = new OwnPart("own-wal", [LAB]);
const all = new OwnPart("all-parts");
const wrong = new OwnPart("wrong-core", ["04"]);
afterAll(() => {
  own.remove();
  all.remove();
  wrong.remove();
});

describe("a reader's own core", () => {
  it("is used once it has passed, and not before", async () => {
    await expect(own.lab("use", "own", "wal")).rejects.toThrow(/none has passed/);
    await own.write("--runs", "1");
    expect(await own.lab("use", "own", "wal")).toContain(`lab ${LAB}: yours`);
  });

  it("loses no acknowledged write on three members, through kill, partition, restart", async () => {
    await expect(own.lab("finish")).rejects.toThrow(/lab 02 is in use, and not in this/);
    all.useUnjudged();
    const drawn = await all.run(await all.bundle(), "lab", "finish");
    const parts = PARTS.join(", ");
    expect(drawn).toContain(`Three members, with your part of lab ${parts} in place of the refer`);
    expect(drawn).toMatch(/\n[1-9]\d* writes were acknowledged; none is lost/);
    for (const event of ["is killed", "is cut off", "restarts", "leads term"]) {
      expect(drawn).toContain(event);
    }
    expect(drawn.match(/has all \d+ acknowledged writes/g)).toHaveLength(3);
  });

  it("that commits without a majority loses writes, and the finish says so", async () => {
    wrong.writeUnjudged({
      name: "commits what the leader alone has on disk",
      file: "store/core/commit.ts",
      find: "  const index = quorumIndex(raft);",
      replace: "  const index = raft.log.persisted;",
      caughtBy: "",
    });
    const failure = await playFinish(await wrong.bundle()).catch((thrown: Error) => thrown);
    expect((failure as Error).message).toMatch(/what happened: .*(are missing|ended by itself)/);
    expect((failure as Error).message).toMatch(/member 1 +member 2 +member 3/);
  });
});
