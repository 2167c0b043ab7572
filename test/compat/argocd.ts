import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBase } from "../conformance/images.ts";
import { withFolder } from "./folder.ts";
import { releasedSources } from "./go-module.ts";
import { PEERS_BIN } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const VERSION = "v3.1.9";
const MODULE = `github.com/argoproj/argo-cd/v3@${VERSION}`;
const IMAGE = `quay.io/argoproj/argocd:${VERSION}`;
const OBJECTS = join(import.meta.dirname, "testdata/argocd.yaml");
/** The files that the repository has at first. */
const FILES = join(import.meta.dirname, "testdata/argocd");
const IN = ["-n", "argocd"];
const TIMEOUT = "--timeout=240s";
const PROGRAMS = ["argocd", "helm", "kustomize"];
/** Scripts of its sources that its image has. */
const SCRIPTS = ["gpg-wrapper.sh", "git-verify-wrapper.sh"];
/** Names by which its program is called, whose part it is then. */
const PARTS = ["repo-server", "application-controller", "applicationset-controller"];

/** Builds its image as its Dockerfile does, of Debian's packages; Redis and git are in it too. */
const buildImages = (place: Place, redis: string) =>
  withFolder(async (dir) => {
    const base = join(PEERS_BIN, "../argocd-base.tar");
    makeBase(base, ["git", "gpg", "gpg-agent", "redis-server", "tini", "tar"]);
    await copyFile(base, join(dir, "base.tar"));
    for (const name of PROGRAMS) await copyFile(join(PEERS_BIN, name), join(dir, name));
    const hack = join(await releasedSources(MODULE), "hack");
    for (const name of SCRIPTS) await copyFile(join(hack, name), join(dir, name));
    const links = PARTS.map((part) => `ln -s argocd /usr/local/bin/argocd-${part}`);
    const steps = [
      "FROM scratch AS tools",
      "ADD base.tar /",
      "RUN mkdir -p /app/config/gpg/source /app/config/gpg/keys /home/argocd",
      `COPY --chmod=755 ${[...PROGRAMS, ...SCRIPTS].join(" ")} /usr/local/bin/`,
      `RUN ${links.join(" && ")} && useradd -u 999 argocd && chown argocd /home/argocd`,
      "USER 999",
      "FROM tools AS redis",
      'ENTRYPOINT ["redis-server"]',
      "FROM tools",
      "WORKDIR /home/argocd",
      'ENTRYPOINT ["/usr/bin/tini", "--"]',
    ];
    await writeFile(join(dir, "Dockerfile"), `${steps.join("\n")}\n`);
    await place.container("build", "-q", "-t", redis, "--target=redis", dir);
    await place.container("build", "-q", "-t", IMAGE, dir);
  });

const git = (place: Place, script: string) =>
  place.kubectl("exec", "deployment/git", ...IN, "--", "sh", "-ec", `cd /git/work; ${script}`);

const push = (place: Place, change: string) =>
  git(place, `${change}; git add -A; git commit -qm "$(date)"; git push -q origin HEAD:main`);

const until = (place: Place, path: string, value: string, ...object: string[]) =>
  place.kubectl("wait", `--for=jsonpath={${path}}=${value}`, ...object, TIMEOUT);

async function untilSynced(place: Place, application: string): Promise<void> {
  const object = [`application/${application}`, ...IN];
  await place.kubectl("wait", "--for=create", ...object, TIMEOUT);
  await until(place, ".status.sync.status", "Synced", ...object);
  await until(place, ".status.health.status", "Healthy", ...object);
}

/** Compares an application with the repository now, not within two minutes. */
const refresh = (place: Place, application: string) => {
  const asked = "argocd.argoproj.io/refresh=normal";
  return place.kubectl("annotate", `application/${application}`, ...IN, asked, "--overwrite");
};

/** Runs `argocd` on the objects themselves: it reaches the parts by port-forward. */
const argocd = (place: Place, ...args: string[]) =>
  withFolder(async (dir) => {
    const config = join(dir, "config");
    await copyFile(place.kubeconfig, config);
    const context = ["config", "set-context", "--current", "--namespace=argocd"];
    await place.kubectl(...context, `--kubeconfig=${config}`);
    const env = [`KUBECONFIG=${config}`, `HOME=${dir}`];
    return place.run("/usr/bin/env", ...env, join(PEERS_BIN, "argocd"), ...args, "--core");
  });

/** Argo CD: what a git repository has, in the cluster. */
export const argoCd: Program = {
  name: "Argo CD",
  version: VERSION,
  needs: PROGRAMS,
  uses: [
    {
      use: "apply its published manifest, of 1.6 MB, with its network policies; start its four parts",
      async run(place) {
        const file = join(await releasedSources(MODULE), "manifests/core-install.yaml");
        const manifest = await readFile(file, "utf8");
        const { 0: redis } = /\S+\/redis:\S+/.exec(manifest)!;
        await buildImages(place, redis);
        const input = manifest.replaceAll(
          "imagePullPolicy: Always",
          "imagePullPolicy: IfNotPresent",
        );
        await place.kubectl("create", "namespace", "argocd");
        await place.kubectl("apply", "--server-side", ...IN, "-f", "-", { input });
        await place.kubectl("apply", "--server-side", "-f", OBJECTS);
        const parts = ["deployment/argocd-redis", "deployment/argocd-repo-server"];
        const sets = ["deployment/argocd-applicationset-controller", "deployment/git"];
        const all = [...parts, ...sets, "statefulset/argocd-application-controller"];
        for (const each of all) await place.kubectl("rollout", "status", each, ...IN, TIMEOUT);
        // The command makes the key that the parts need: there is no server here that would.
        await argocd(place, "app", "list");
      },
    },
    {
      use: "deploy a repository's kustomization, after its hook, in a namespace that it makes",
      async run(place) {
        const pod = await place.kubectl("get", "pod", ...IN, "-l", "app=git", "-o=name");
        const to = `argocd/${pod.trim().replace("pod/", "")}:/git/work`;
        await place.kubectl("cp", `${FILES}/.`, to);
        await push(place, "git checkout -q -B main");
        await refresh(place, "site");
        await untilSynced(place, "site");
        await place.kubectl(
          "wait",
          "--for=condition=Complete",
          "job/prepare",
          "-n",
          "site",
          TIMEOUT,
        );
        await until(place, ".status.readyReplicas", "2", "deployment/site", "-n", "site");
      },
    },
    {
      use: "follow a commit, and prune what is no longer in it",
      async run(place) {
        const before = await place.kubectl("get", "configmaps", "-n", "site", "-o=name");
        const { 0: settings } = /\S*settings\S*/.exec(before)!;
        await push(place, "sed -i s/red/blue/ site/kustomization.yaml");
        await refresh(place, "site");
        await place.kubectl("wait", "--for=delete", settings, "-n", "site", TIMEOUT);
        await untilSynced(place, "site");
      },
    },
    {
      use: "mend what was changed by hand or deleted",
      async run(place) {
        await place.kubectl("scale", "deployment/site", "--replicas=5", "-n", "site");
        await until(place, ".spec.replicas", "2", "deployment/site", "-n", "site");
        await place.kubectl("delete", "service/site", "-n", "site");
        await place.kubectl("wait", "--for=create", "service/site", "-n", "site", TIMEOUT);
      },
    },
    {
      use: "show an application's difference and history, and sync it, by its command",
      async run(place) {
        mustHave(await argocd(place, "app", "get", "site"), "Synced to main");
        mustHave(await argocd(place, "app", "history", "site"), "main (");
        mustHave(await argocd(place, "app", "sync", "site"), "Succeeded");
      },
    },
    {
      use: "make an application of a chart for each folder, and remove it with its folder",
      async run(place) {
        await untilSynced(place, "one");
        const team = "-o=jsonpath={.data.team}";
        mustHave(await place.kubectl("get", "configmap/settings", "-n", "one", team), "one");
        await push(place, "cp -r teams/one teams/two; git rm -rq teams/one");
        await untilSynced(place, "two");
        await place.kubectl("wait", "--for=delete", "application/one", ...IN, TIMEOUT);
        await place.kubectl("wait", "--for=delete", "configmap/settings", "-n", "one", TIMEOUT);
      },
    },
    {
      use: "remove an application with all that is of it",
      async run(place) {
        await place.kubectl("delete", "application/site", ...IN, TIMEOUT);
        const left = await place.kubectl("get", "deployments,services", "-n", "site", "-o=name");
        if (left !== "") throw new Error(`left: ${left}`);
      },
    },
  ],
};
