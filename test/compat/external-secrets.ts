import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "./folder.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v0.20.4";
const MODULE = `github.com/external-secrets/external-secrets@${VERSION}`;
const SECRETS = join(import.meta.dirname, "testdata/external-secrets.yaml");
const NAME = "external-secrets";
const IN = ["--namespace", NAME];
const TIMEOUT = "--timeout=180s";

/** Installs its chart without the chart of another program that it can bring, and does not here. */
const install = (place: Place) =>
  withFolder(async (dir) => {
    const chart = join(await releasedSources(MODULE), "deploy/charts", NAME);
    await cp(chart, dir, { recursive: true });
    const about = (await readFile(join(chart, "Chart.yaml"), "utf8")).split("dependencies:")[0]!;
    await writeFile(join(dir, "Chart.yaml"), about);
    const { 0: image } = /\S+:v[\d.]+$/m.exec(await place.run("helm", "template", NAME, dir))!;
    await buildImage(place, image, NAME, `/bin/${NAME}`);
    await place.run("helm", "install", NAME, dir, ...IN, "--create-namespace", "--wait");
  });

const definitions = async () => join(await releasedSources(MODULE), "deploy/crds/bundle.yaml");

/** Awaits a Secret with a value, whose length is a multiple of 3: kubectl takes no padding. */
async function untilSecret(
  place: Place,
  name: string,
  key: string,
  value: string,
  namespace: string,
) {
  const secret = [`secret/${name}`, "-n", namespace, TIMEOUT];
  await place.kubectl("wait", "--for=create", ...secret);
  const encoded = Buffer.from(value).toString("base64");
  await place.kubectl("wait", `--for=jsonpath={.data.${key}}=${encoded}`, ...secret);
}

/** External Secrets Operator: Secrets of what stores have, and stores that get Secrets. */
export const externalSecrets: Program = {
  name: "External Secrets",
  version: VERSION,
  needs: [NAME, "helm"],
  uses: [
    {
      use: "apply its 23 definitions; install its chart, whose webhooks get certificates",
      async run(place) {
        await place.kubectl("apply", "--server-side", "-f", await definitions());
        await install(place);
        await place.kubectl("apply", "--server-side", "-f", SECRETS);
        await place.kubectl("wait", "--for=condition=Ready", "secretstore/vault", TIMEOUT);
      },
    },
    {
      use: "make a Secret of another namespace's, by a token that it asks for, and follow it",
      async run(place) {
        await untilSecret(place, "database", "url", "db://us:them@db", "default");
        const patch = JSON.stringify({ stringData: { password: "another" } });
        await place.kubectl("patch", "secret", "database", "-n", "vault", "-p", patch);
        await untilSecret(place, "database", "url", "db://us:another@db", "default");
      },
    },
    {
      use: "generate a password; put it into the store, and out of it",
      async run(place) {
        const pushed = ["secret/pushed", "-n", "vault"];
        await place.kubectl("wait", "--for=create", ...pushed, TIMEOUT);
        const password = ["-o=go-template={{.data.password | base64decode}}"];
        const generated = await place.kubectl("get", "secret/generated", ...password);
        if (!/^[a-z0-9]{30}$/.test(generated)) throw new Error(`no password: ${generated}`);
        mustHave(await place.kubectl("get", ...pushed, ...password), generated);
        await place.kubectl("delete", "pushsecret", "generated", TIMEOUT);
        await place.kubectl("wait", "--for=delete", ...pushed, TIMEOUT);
      },
    },
    {
      use: "make a Secret in each namespace with a label, and remove it with the label",
      async run(place) {
        await place.kubectl("create", "namespace", "one");
        await place.kubectl("label", "namespace", "one", "team=one");
        await untilSecret(place, "team", "team", "one", "one");
        await place.kubectl("label", "namespace", "one", "team-");
        await place.kubectl("wait", "--for=delete", "secret/team", "-n", "one", TIMEOUT);
      },
    },
    {
      use: "refuse an object without data by its webhook, and a store of two kinds by its schema",
      async run(place) {
        const create = (kind: string, spec: object) => {
          const object = { apiVersion: "external-secrets.io/v1", kind, metadata: { name: "no" } };
          const input = JSON.stringify({ ...object, spec });
          return refusal(place.kubectl("create", "-f", "-", { input }));
        };
        mustHave(await create("ExternalSecret", {}), "either data or dataFrom");
        const fake = { data: [] };
        const webhook = { url: "http://one", result: {} };
        mustHave(await create("SecretStore", { provider: { fake, webhook } }), "at most 1");
      },
    },
  ],
};
