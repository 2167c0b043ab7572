import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { type Server, startOurs } from "../transcripts/servers.ts";
import { KUBECTLS } from "./kubectls.ts";
import { type Stage, setStage } from "./play.ts";
import { readRecorded, readTable, shown, tableOf } from "./recording.ts";
import { readScripts } from "./script.ts";

// Recorded before upstream's kube-apiserver 1.36 by scripts/record-kubectl.ts.
const SCRIPTS = readScripts();
/** Scripts that a run plays with each kubectl, of which a command is a process. */
const PLAYED = 2;

describe("the table of commands", () => {
  it("is made of the recordings", () => {
    expect(readTable()).toBe(
      tableOf(
        KUBECTLS.map(({ version }) => version),
        SCRIPTS,
      ),
    );
  });
});

for (const { version, present, program } of KUBECTLS) {
  describe.skipIf(!present)(`kubectl ${version}`, () => {
    let server: Server;
    let stage: Stage;

    beforeAll(async () => {
      server = await startOurs();
      stage = await setStage(await program(), server);
    });
    afterAll(async () => {
      await stage?.close();
      await server?.close();
    });

    // Each script has a namespace of its own, and objects of the cluster under names of its own.
    it.concurrent.each(inTurn(`kubectl ${version}`, SCRIPTS, PLAYED))(
      "$name: as before kube-apiserver 1.36",
      async (script) => {
        expect(shown(await stage.play(script))).toBe(readRecorded(version, script.name));
      },
    );
  });
}
