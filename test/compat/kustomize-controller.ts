import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFolder } from "./folder.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const VERSION = "v1.7.3";
const MODULE = `github.com/fluxcd/kustomize-controller@${VERSION}`;
/** The definitions of sources; their controller asks Git servers, and is not needed. */
const SOURCES = "github.com/fluxcd/source-controller@v1.7.2";
const NAMESPACE = "kustomize-system";
const IN = ["-n", NAMESPACE];
const DATA = join(import.meta.dirname, "testdata");
const ARCHIVE = "delivered.tar.gz";
const TIMEOUT = "--timeout=180s";

/** Builds its configuration without the controller of sources, which it has by a link. */
const configuration = (place: Place) =>
  withFolder(async (dir) => {
    await cp(join(await releasedSources(MODULE), "config"), dir, { recursive: true });
    const file = join(dir, "default/kustomization.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replaceAll(/^- https:.*\n/gm, ""));
    return place.kubectl("kustomize", join(dir, "default"));
  });

/** Serves what is to be delivered from a pod, as an archive, and gives the source its digest. */
async function publish(place: Place): Promise<void> {
  const digest = await withFolder(async (dir) => {
    const archive = join(dir, ARCHIVE);
    await promisify(execFile)("tar", ["-czf", archive, "-C", join(DATA, "delivered"), "."]);
    await place.kubectl("create", "configmap", "artifacts", ...IN, `--from-file=${archive}`);
    return createHash("sha256")
      .update(await readFile(archive))
      .digest("hex");
  });
  await place.kubectl("apply", "--server-side", ...IN, "-f", join(DATA, "delivered.yaml"));
  await place.kubectl("rollout", "status", "deployment/artifacts", ...IN, TIMEOUT);
  const artifact = {
    url: `http://artifacts.${NAMESPACE}.svc.cluster.local./${ARCHIVE}`,
    path: ARCHIVE,
    revision: "main",
    digest: `sha256:${digest}`,
    lastUpdateTime: "2026-01-01T00:00:00Z",
  };
  const patch = ["--type=merge", "-p", JSON.stringify({ status: { artifact } })];
  await place.kubectl("patch", "gitrepository", "source", ...IN, "--subresource=status", ...patch);
}

const untilSign = (place: Place, text: string) =>
  place.kubectl("wait", `--for=jsonpath={.spec.text}=${text}`, "sign/one", "-n=delivered", TIMEOUT);

/** Flux's kustomize-controller: what a source has, by server-side apply, kept so, and pruned. */
export const kustomizeController: Program = {
  name: "kustomize-controller",
  version: VERSION,
  needs: ["kustomize-controller"],
  uses: [
    {
      use: "apply its configuration and the definitions of its sources; start it",
      async run(place) {
        const image = `fluxcd/kustomize-controller:${VERSION}`;
        await buildImage(place, image, "kustomize-controller", "/kustomize-controller");
        const definitions = join(await releasedSources(SOURCES), "config/crd/bases");
        await place.kubectl("apply", "--server-side", "-f", definitions);
        const input = await configuration(place);
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        const controller = ["deployment/kustomize-controller", ...IN, TIMEOUT];
        await place.kubectl("rollout", "status", ...controller);
      },
    },
    {
      use: "apply what a source has, in stages: a namespace, a definition, objects; find it healthy",
      async run(place) {
        await publish(place);
        const delivered = ["kustomization/delivered", ...IN, TIMEOUT];
        await place.kubectl("wait", "--for=condition=Ready", ...delivered);
        await untilSign(place, "base");
      },
    },
    {
      use: "undo what kubectl changed, and take the fields over",
      async run(place) {
        const patch = JSON.stringify({ spec: { replicas: 2, paused: true } });
        const web = ["deployment", "web", "-n", "delivered"];
        const edit = ["--field-manager=kubectl-edit", "--type=merge", "-p", patch];
        await place.kubectl("patch", ...web, ...edit);
        const now = "reconcile.fluxcd.io/requestedAt=now";
        await place.kubectl("annotate", "kustomization", "delivered", ...IN, now);
        const undone = "--for=jsonpath={.spec.replicas}=1";
        await place.kubectl("wait", undone, "deployment/web", "-n", "delivered", TIMEOUT);
        const managers = "-o=jsonpath=<{.spec.paused}> {.metadata.managedFields[*].manager}";
        const found = await place.kubectl("get", ...web, "--show-managed-fields", managers);
        if (/<true>|kubectl-edit/.test(found)) throw new Error(`left: ${found}`);
      },
    },
    {
      use: "follow a change, and remove what is no longer there",
      async run(place) {
        const patch = JSON.stringify({ spec: { path: "./second" } });
        const second = ["kustomization", "delivered", ...IN, "--type=merge", "-p", patch];
        await place.kubectl("patch", ...second);
        await untilSign(place, "second");
        const settings = ["configmap/settings", "-n", "delivered", TIMEOUT];
        await place.kubectl("wait", "--for=delete", ...settings);
      },
    },
    {
      use: "act as a service account without rights, which is refused",
      async run(place) {
        const refused = "--for=jsonpath={.status.conditions[?(@.type=='Ready')].status}=False";
        await place.kubectl("wait", refused, "kustomization/powerless", ...IN, TIMEOUT);
        const conditions = "-o=jsonpath={.status.conditions[*].message}";
        const found = await place.kubectl("get", "kustomization", "powerless", ...IN, conditions);
        mustHave(found, 'User "system:serviceaccount:kustomize-system:powerless" cannot');
      },
    },
    {
      use: "remove all that it applied when its object goes",
      async run(place) {
        await place.kubectl("delete", "kustomization", "--all", ...IN, TIMEOUT);
        await place.kubectl("wait", "--for=delete", "namespace/delivered", TIMEOUT);
        await place.kubectl("wait", "--for=delete", "crd/signs.compat.example", TIMEOUT);
        const input = await configuration(place);
        await place.kubectl("delete", "--ignore-not-found", TIMEOUT, "-f", "-", { input });
      },
    },
  ],
};
