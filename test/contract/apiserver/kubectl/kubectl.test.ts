import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Server, startOurs } from "../stories/servers.ts";
import { KUBECTLS } from "./kubectls.ts";
import { setStage, type Stage } from "./play.ts";
import { readRecorded, readTable, shown, tableOf } from "./recording.ts";
import { readScenes } from "./scene.ts";

// Recorded before upstream's kube-apiserver 1.36 by scripts/record-kubectl.ts.
const SCENES = readScenes();
const TIMEOUT_MS = 240_000;

describe("the table of commands", () => {
  it("is made of the recordings", () => {
    expect(readTable()).toBe(tableOf(KUBECTLS.map(({ version }) => version), SCENES));
  });
});

for (const { version, present, program } of KUBECTLS) {
  describe.skipIf(!present)(`kubectl ${version}`, { timeout: TIMEOUT_MS }, () => {
    let server: Server;
    let stage: Stage;

    beforeAll(async () => {
      server = await startOurs();
      stage = await setStage(await program(), server);
    }, TIMEOUT_MS);
    afterAll(async () => {
      await stage?.close();
      await server?.close();
    });

    // Each scene has a namespace of its own, and objects of the cluster under names of its own.
    it.concurrent.each(SCENES)("$name: as before kube-apiserver 1.36", async (scene) => {
      expect(shown(await stage.play(scene))).toBe(readRecorded(version, scene.name));
    });
  });
}
