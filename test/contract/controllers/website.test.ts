// examples/website: a definition with a controller of its own, on our API server and controllers'
// usual client.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { DEPLOYMENTS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { define } from "../../../apiserver/customresources/testing/definitions.ts";
import { startWebsites, WEBSITES, type Website } from "../../../examples/website/controller.ts";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

const FOLDER = join(import.meta.dirname, "../../../examples/website");
const server = fileApiserver();
const clock = systemClock();

const read = (name: string) =>
  parseAllDocuments(readFileSync(join(FOLDER, name), "utf8"))[0]!.toJS() as never;

it("the example's websites have a Deployment, a Service and a status", async () => {
  await define(server.ask, read("crd.yaml"));
  const { api, admin } = server;
  const client = new KubeClient({ server: api.server, ca: api.ca.cert, ...admin, clock });
  const websites = client.resource<Website>(WEBSITES);
  const controller = startWebsites(client);
  try {
    const site = read("site.yaml") as Website;
    const front = { namespace: "default", name: "front" };
    const made = await websites.create({ ...site, metadata: front });
    expect(made.spec).toEqual({ ...site.spec, tier: "production" });
    const ready = async () => (await websites.get(front)).status?.observedGeneration === 1;
    await waitFor("the website's status", ready);
    const deployment = await client.resource(DEPLOYMENTS).get(front);
    expect(deployment.spec?.replicas).toBe(2);
    expect(deployment.metadata.ownerReferences?.[0]?.uid).toBe(made.metadata.uid);
    const service = await client.resource(SERVICES).get(front);
    expect((await websites.get(front)).status?.address).toBe(
      (service as unknown as { spec: { clusterIP: string } }).spec.clusterIP,
    );

    const scale = { spec: { replicas: 3 } };
    await websites.patch({ ...front, subresource: "scale" }, "merge", scale);
    const grown = async () => (await client.resource(DEPLOYMENTS).get(front)).spec?.replicas === 3;
    await waitFor("the Deployment to grow", grown);

    const refused = (spec: object) => websites.patch(front, "merge", { spec });
    await expect(refused({ tier: "test" })).rejects.toThrow(/tier of a website cannot be changed/);
    await expect(refused({ replicas: 11 })).rejects.toThrow(/less than or equal to 10/);
  } finally {
    await controller.close();
    client.close();
  }
});
