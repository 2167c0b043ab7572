import { expect, it } from "vitest";
import type { Attributes } from "../../authz/attributes.ts";
import type { Authorizer } from "../../authz/authorizer.ts";
import { compiler } from "./environment.ts";
import { Evaluation, type Inputs } from "./evaluation.ts";

it("authorizers are asked about the selectors that an expression names", async () => {
  const asked: Attributes[] = [];
  const decide = (attributes: Attributes) => {
    asked.push(attributes);
    return Promise.resolve({ verdict: "allow", reason: "" });
  };
  const inputs = {
    request: { user: { name: "alice", groups: [] } },
    shown: { matched: { resource: { group: "", resource: "pods" } } },
    objects: {},
  } as unknown as Inputs;
  const authorizer = { decide } as unknown as Authorizer;
  const expression = compiler({ params: false, authorizer: true })(
    "authorizer.group('').resource('pods').fieldSelector('spec.nodeName=n1')" +
      ".labelSelector('app in (a)').check('list').allowed()",
  );
  expect(await new Evaluation({ authorizer }, inputs, 1e6).evaluate(expression)).toBe(true);
  expect(asked).toEqual([
    expect.objectContaining({
      verb: "list",
      resource: "pods",
      user: inputs.request.user,
      fieldSelector: [{ field: "spec.nodeName", operator: "=", value: "n1" }],
      labelSelector: [{ key: "app", operator: "in", values: ["a"] }],
    }),
  ]);
});
