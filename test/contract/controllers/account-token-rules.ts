import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

const TIMEOUT_MS = 60_000;
const namespace = "default";
const NAMED = "kubernetes.io/service-account.name";

/** The rules of Secrets that hold a token of a ServiceAccount. */
export function accountTokenRules(given: () => ControlPlane): void {
  const secrets = () => given().admin.resource(SECRETS);
  const accounts = () => given().admin.resource(SERVICE_ACCOUNTS);
  const until = <T>(what: string, holds: () => Promise<T>) =>
    waitFor(what, holds, { timeout_ms: TIMEOUT_MS });
  const ask = (name: string, account: string) =>
    secrets().create({
      metadata: { namespace, name, annotations: { [NAMED]: account } },
      type: "kubernetes.io/service-account-token",
    });
  const dataOf = (name: string) =>
    until(`the token in ${name}`, async () => {
      const { data } = await secrets().get({ namespace, name });
      return data?.["token"] === undefined ? undefined : data;
    });
  const isGone = (name: string) =>
    until(
      `${name} to go`,
      async () => (await undefinedIfNotFound(secrets().get({ namespace, name }))) === undefined,
    );
  const text = (value = "") => Buffer.from(value, "base64").toString("utf8");

  it("a Secret of the type gets a token by which its account may ask", async () => {
    const { metadata } = await accounts().create({ metadata: { namespace, name: "robot" } });
    await ask("robot-token", "robot");
    const data = await dataOf("robot-token");
    expect(text(data["namespace"])).toBe(namespace);
    expect(text(data["ca.crt"])).toBe(given().ca.cert);
    const {
      metadata: { annotations },
    } = await secrets().get({ namespace, name: "robot-token" });
    expect(annotations?.["kubernetes.io/service-account.uid"]).toBe(metadata.uid);
    const { server, ca } = await given().connection("nobody");
    const { clock } = given();
    const robot = new KubeClient({ server, ca: ca!, token: text(data["token"]), clock });
    const refused = robot.resource(CONFIG_MAPS).list({ namespace });
    await expect(refused).rejects.toThrow(/system:serviceaccount:default:robot/);
    robot.close();
  });

  it("a token that is taken out is made again", async () => {
    await dataOf("robot-token");
    await secrets().patch({ namespace, name: "robot-token" }, "merge", { data: { token: null } });
    expect(text((await dataOf("robot-token"))["token"])).toMatch(/^ey/);
  });

  it("a Secret without its account is deleted", async () => {
    await ask("orphan-token", "no-such-account");
    await isGone("orphan-token");
  });

  it("a deleted Secret is taken out of its account's list", async () => {
    const name = "listing";
    const listed = [{ name: "listed-token" }, { name: "other" }];
    await accounts().create({ metadata: { namespace, name }, secrets: listed });
    await ask("listed-token", name);
    await dataOf("listed-token");
    await secrets().delete({ namespace, name: "listed-token" });
    const left = () => accounts().get({ namespace, name });
    await until("the reference to go", async () => (await left()).secrets?.length === 1);
    expect((await left()).secrets).toEqual([{ name: "other" }]);
  });

  it("the tokens of a deleted account are deleted", async () => {
    await dataOf("robot-token");
    await accounts().delete({ namespace, name: "robot" });
    await isGone("robot-token");
  });
}
