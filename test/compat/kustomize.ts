import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustHave, type Place, type Program } from "./program.ts";

const OVERLAY = join(import.meta.dirname, "testdata/kustomize/overlay");
const IN = ["--namespace", "kustomized"];

async function isGreen(place: Place): Promise<void> {
  await place.kubectl("rollout", "status", "deployment/green-web", ...IN, "--timeout=90s");
  mustHave(await place.kubectl("logs", "deployment/green-web", ...IN), "green");
}

/** kustomize: an overlay with generators and patches. */
export const kustomize: Program = {
  name: "kustomize",
  version: "v5.8.2",
  needs: ["kustomize"],
  uses: [
    {
      use: "build an overlay; apply it on the server",
      async run(place) {
        const built = await place.run("kustomize", "build", OVERLAY);
        const dir = await mkdtemp(join(tmpdir(), "r2k-compat-"));
        try {
          const file = join(dir, "built.yaml");
          await writeFile(file, built);
          await place.kubectl("apply", "--server-side", "-f", file);
          await isGreen(place);
          await place.kubectl("diff", "--server-side", "-f", file); // fails where one differs
        } finally {
          await rm(dir, { recursive: true });
        }
      },
    },
    {
      use: "the same by `kubectl apply -k`, and its removal",
      async run(place) {
        await place.kubectl("delete", "-k", OVERLAY, "--wait", "--timeout=90s");
        await place.kubectl("apply", "-k", OVERLAY);
        await isGreen(place);
        await place.kubectl("delete", "-k", OVERLAY, "--wait", "--timeout=90s");
      },
    },
  ],
};
