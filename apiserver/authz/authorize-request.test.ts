import { expect, it } from "vitest";
import { AuditAnnotations } from "../request/annotations.ts";
import type { RequestContext } from "../request/context.ts";
import type { Decision } from "./attributes.ts";
import { attributesOf, authorize } from "./authorize-request.ts";
import type { Authorizer } from "./authorizer.ts";

const DECISION = "authorization.k8s.io/decision";
const REASON = "authorization.k8s.io/reason";

// upstream: endpoints/filters/authorization_test.go, TestAuditAnnotation.
it.each<[string, Decision, number, object]>([
  [
    "no",
    { verdict: "no-opinion", reason: "none" },
    403,
    { [DECISION]: "forbid", [REASON]: "none" },
  ],
  ["error", { verdict: "deny", reason: "", error: "e" }, 500, { [REASON]: "internal error" }],
])("the audit log has what the authorizers said: %s", async (_, decision, http, noted) => {
  const annotations = new AuditAnnotations(false);
  const info = { resourceRequest: false, verb: "get", path: "/x" };
  const user = { name: "ann", groups: [] };
  const context = { info, user, query: new URLSearchParams(), audit: { annotations } };
  const authorizer = { timed: () => Promise.resolve(decision) } as unknown as Authorizer;
  const refused = authorize(authorizer, context as unknown as RequestContext);
  await expect(refused).rejects.toMatchObject({ http });
  expect(annotations.all).toEqual(noted);
});

it("authorizers know the selectors of a list, where they can be read, and of no other verb", () => {
  const of = (verb: string, query: object) => {
    const { fieldSelector, labelSelector } = attributesOf({
      info: { resourceRequest: true, verb } as RequestContext["info"],
      user: { name: "ann", groups: [] },
      query: new URLSearchParams({ ...query }),
    });
    return [fieldSelector, labelSelector];
  };
  const labelSelector = "app=web";
  const field = { field: "spec.nodeName", operator: "=", value: "n1" };
  const label = { key: "app", operator: "in", values: ["web"], equality: true };
  const both = { fieldSelector: "spec.nodeName=n1", labelSelector };
  for (const verb of ["list", "watch", "deletecollection"]) {
    expect(of(verb, both)).toEqual([[field], [label]]);
  }
  expect(of("get", both)).toEqual([[], []]);
  expect(of("list", { fieldSelector: "a", labelSelector })).toEqual([[], [label]]);
});
