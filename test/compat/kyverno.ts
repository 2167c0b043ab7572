import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Program, refusal } from "./program.ts";

const IN = ["-n", "policed"];
const TIMEOUT = "--timeout=120s";
const POLICIES = join(import.meta.dirname, "testdata/kyverno.yaml");
const BINDING = "validatingadmissionpolicybinding/vpol-no-node-ports-binding";
/** Programs of `.peers/bin` by their images. */
const IMAGES = {
  kyverno: "kyverno",
  kyvernopre: "kyvernopre",
  "background-controller": "kyverno-background",
  "cleanup-controller": "kyverno-cleanup",
  "reports-controller": "kyverno-reports",
};
const VERSION = "v1.19.1";
const MODULE = `github.com/kyverno/kyverno@${VERSION}`;

/** Kyverno: policies by webhooks, by admission policies that it makes, and by its controllers. */
export const kyverno: Program = {
  name: "Kyverno",
  version: VERSION,
  needs: ["kyverno"],
  uses: [
    {
      use: "apply its published manifest, of 5.8 MB; start its four controllers",
      async run(place) {
        for (const [name, program] of Object.entries(IMAGES))
          await buildImage(place, `reg.kyverno.io/kyverno/${name}:compat`, program, "/program");
        const file = await readFile(
          join(await releasedSources(MODULE), "config/install-latest-testing.yaml"),
          "utf8",
        );
        const input = file.replaceAll(/(image: "\S+):latest"/g, '$1:compat"'); // not pulled
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        for (const name of ["admission", "background", "cleanup", "reports"]) {
          const deployment = [`deployment/kyverno-${name}-controller`, "-n", "kyverno", TIMEOUT];
          await place.kubectl("rollout", "status", ...deployment);
        }
        await place.kubectl("apply", "--server-side", "-f", POLICIES);
        await place.kubectl("wait", "--for=condition=Ready", "clusterpolicy/team", TIMEOUT);
        await place.kubectl("wait", "--for=create", BINDING, TIMEOUT);
      },
    },
    {
      use: "refuse objects, by its webhook and by an admission policy that it made; change one",
      async run(place) {
        await place.kubectl("create", "namespace", "policed");
        const pod = ["run", "web", "--image=r2k.local/busybox:1"];
        mustHave(await refusal(place.kubectl(...pod, ...IN)), "label team is required");
        const service = ["create", "service", "nodeport", "web", "--tcp=80"];
        mustHave(await refusal(place.kubectl(...service, ...IN)), "no node ports");
        await place.kubectl("create", "configmap", "changed", ...IN);
        const label = ["-o", "jsonpath={.metadata.labels.by}"];
        mustHave(await place.kubectl("get", "configmap", "changed", ...IN, ...label), "kyverno");
      },
    },
    {
      use: "generate a NetworkPolicy in a namespace, and again when it was deleted",
      async run(place) {
        const policy = ["networkpolicy/default-deny", ...IN, TIMEOUT];
        await place.kubectl("wait", "--for=create", ...policy);
        await place.kubectl("delete", ...policy);
        await place.kubectl("wait", "--for=create", ...policy);
      },
    },
    {
      use: "remove an object when its time is up, by a role that is aggregated",
      async run(place) {
        await place.kubectl("label", "configmap", "changed", ...IN, "cleanup.kyverno.io/ttl=2s");
        await place.kubectl("wait", "--for=delete", "configmap/changed", ...IN, TIMEOUT);
      },
    },
  ],
};
