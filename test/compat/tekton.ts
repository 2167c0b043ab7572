import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v1.9.0";
const MODULE = `github.com/tektoncd/pipeline@${VERSION}`;
const NAMES = ["controller", "entrypoint", "events", "nop", "webhook", "workingdirinit"];
const DEPLOYMENTS = [
  "tekton-pipelines-controller",
  "tekton-events-controller",
  "tekton-pipelines-webhook",
];
const WEBHOOKS = [
  "mutatingwebhookconfiguration/webhook.pipeline.tekton.dev",
  "validatingwebhookconfiguration/validation.webhook.pipeline.tekton.dev",
  "validatingwebhookconfiguration/config.webhook.pipeline.tekton.dev",
];
const RUNS = join(import.meta.dirname, "testdata/tekton.yaml");
const TIMEOUT = "--timeout=180s";

const imageOf = (name: string) => `tekton.local/${name}:compat`;

const succeeded = (place: Place, run: string) =>
  place.kubectl("wait", "--for=condition=Succeeded", run, TIMEOUT);

/** The published configuration, with images by their names here in place of ko's references. */
async function configuration(): Promise<string> {
  const folder = join(await releasedSources(MODULE), "config");
  const paths = await Array.fromAsync(glob("{*,100-namespace/*,300-crds/*}.yaml", { cwd: folder }));
  const files = await Promise.all(paths.sort().map((path) => readFile(join(folder, path), "utf8")));
  return files
    .join("\n---\n")
    .replaceAll(/ko:\/\/github\.com\/tektoncd\/pipeline\/cmd\/([a-z]+)/g, (_, name: string) =>
      imageOf(name),
    )
    .replaceAll(/cgr\.dev\/chainguard\/busybox@sha256:\w+/g, "r2k.local/busybox:1");
}

/** Tekton Pipelines: runs of tasks as pods, whose steps wait for each other by files. */
export const tekton: Program = {
  name: "Tekton",
  version: VERSION,
  needs: NAMES.map((name) => `tekton-${name}`),
  uses: [
    {
      use: "apply its published configuration; start its controllers and its webhook",
      async run(place) {
        for (const name of NAMES)
          await buildImage(place, imageOf(name), `tekton-${name}`, `/ko-app/${name}`);
        const input = await configuration();
        await place.kubectl("create", "namespace", "tekton-pipelines");
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        for (const name of DEPLOYMENTS) {
          const deployment = [`deployment/${name}`, "-n", "tekton-pipelines", TIMEOUT];
          await place.kubectl("rollout", "status", ...deployment);
        }
        const trusted = "--for=jsonpath={.webhooks[0].clientConfig.caBundle}";
        await place.kubectl("wait", trusted, ...WEBHOOKS, TIMEOUT);
        await place.kubectl("apply", "--server-side", "-f", RUNS);
      },
    },
    {
      use: "run a Pipeline: tasks in order on one claim, a result handed on, a last task",
      async run(place) {
        await succeeded(place, "pipelinerun/measured");
        const found = ["get", "pipelinerun/measured", "-o=jsonpath={.status.results} {..reason}"];
        mustHave(await place.kubectl(...found), '"value":"12"');
      },
    },
    {
      use: "run a task beside a server, which ends with it",
      async run(place) {
        await succeeded(place, "taskrun/beside");
        // The server gets an image in place of its own, which lacks its command.
        const over = "--for=jsonpath={.status.phase}=Failed";
        await place.kubectl("wait", over, "pod/beside-pod", TIMEOUT);
      },
    },
    {
      use: "cancel a run, whose pod goes",
      async run(place) {
        const running = "--for=jsonpath={.status.phase}=Running";
        await place.kubectl("wait", running, "pod/endless-pod", TIMEOUT);
        const patch = '{"spec":{"status":"TaskRunCancelled"}}';
        await place.kubectl("patch", "taskrun/endless", "--type=merge", "-p", patch);
        await place.kubectl("wait", "--for=delete", "pod/endless-pod", TIMEOUT);
      },
    },
    {
      use: "refuse a Task without steps by its webhook; convert one to its older version",
      async run(place) {
        const input = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: none}\nspec: {}\n";
        const refused = await refusal(place.kubectl("apply", "-f", "-", { input }));
        mustHave(refused, "missing field(s): spec.steps");
        const older = await place.kubectl("get", "tasks.v1beta1.tekton.dev", "measure", "-o=yaml");
        mustHave(older, "apiVersion: tekton.dev/v1beta1");
      },
    },
    {
      use: "remove its definitions with all that is of them",
      async run(place) {
        const input = await configuration();
        await place.kubectl("delete", "--ignore-not-found", TIMEOUT, "-f", "-", { input });
      },
    },
  ],
};
