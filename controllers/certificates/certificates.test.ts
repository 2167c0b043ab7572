import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, onTestFinished, test } from "vitest";
import { loopContext } from "../testing/loop-context.ts";
import { startCleaning, startSigning } from "./certificates.ts";
import { CLIENT } from "./plan.ts";

test("a node with many requests does not keep another's waiting", async () => {
  const request = (name: string, username: string) => ({
    metadata: { name, creationTimestamp: "2000-01-01T00:00:00Z" },
    spec: { username, signerName: "example.com/any", request: "" },
  });
  const many = Array.from({ length: 100 }, (_, n) => request(`many-${n}`, "system:node:n2"));
  const objects = [...many, request("one", "system:node:n1")];
  const removed: string[] = [];
  const { context } = loopContext(
    { [groupResourceOf(CERTIFICATE_SIGNING_REQUESTS)]: objects },
    ({ path }) => void removed.push(path.split("/").at(-1)!),
  );
  const cleaning = startCleaning(context);
  onTestFinished(() => cleaning.close());
  await expect.poll(() => removed).toHaveLength(101);
  expect(removed.indexOf("one")).toBeLessThan(10);
});

test("an approved request that cannot be read has failed, and is not tried again", async () => {
  const conditions = [{ type: "Approved", status: "True", reason: "x", message: "" }];
  const request = {
    metadata: { name: "large", creationTimestamp: "2000-01-01T00:00:00Z" },
    spec: { signerName: CLIENT, request: Buffer.alloc(40_000).toString("base64") },
    status: { conditions },
  };
  const written: unknown[] = [];
  const { context } = loopContext(
    { [groupResourceOf(CERTIFICATE_SIGNING_REQUESTS)]: [request] },
    ({ body }) => void written.push(body),
  );
  Object.assign(context.settings, { clusterSigning: { cert: "", key: "" } });
  const signing = startSigning(context);
  onTestFinished(() => signing.close());
  await expect.poll(() => written).toHaveLength(1);
  const failed = { type: "Failed", reason: "SignerValidationFailure" };
  expect(written[0]).toMatchObject({ status: { conditions: [{ type: "Approved" }, failed] } });
});
