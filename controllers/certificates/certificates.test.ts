import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { CERTIFICATE_SIGNING_REQUESTS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, onTestFinished, test } from "vitest";
import { loopContext } from "../testing/loop-context.ts";
import { startCleaning } from "./certificates.ts";

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
