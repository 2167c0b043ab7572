import { CodedError } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { healthPage } from "./health.ts";

const checks = (failing: string[]) => () =>
  new Map(
    ["a", "b"].map(
      (name) =>
        [
          name,
          () => {
            if (failing.includes(name)) throw new CodedError("ILL", `${name} is ill`);
          },
        ] as const,
    ),
  );

// Upstream's forms (k8s.io/apiserver/pkg/server/healthz).
test.each<[string, string, string[], number, string]>([
  ["/healthz", "", [], 200, "ok"],
  ["/readyz", "verbose", [], 200, "[+]a ok\n[+]b ok\nreadyz check passed\n"],
  ["/healthz", "", ["b"], 500, "[+]a ok\n[-]b failed: reason withheld\nhealthz check failed\n"],
  ["/healthz", "exclude=b", ["b"], 200, "ok"],
  [
    "/healthz",
    "exclude=b&verbose",
    ["b"],
    200,
    "[+]a ok\n[+]b excluded: ok\nhealthz check passed\n",
  ],
  ["/livez/a", "", ["b"], 200, "ok"],
  ["/livez/b", "", ["b"], 500, "internal server error: b is ill\n"],
  ["/livez/c", "", [], 404, "404 page not found\n"],
])("%s?%s with %j failing: %i", (path, query, failing, status, body) => {
  expect(healthPage(path, query, checks(failing))).toEqual({ status, body });
});

test("other paths are no page of health", () => {
  expect(healthPage("/metrics", "", checks([]))).toBeUndefined();
  expect(healthPage("/healthzzz", "", checks([]))).toBeUndefined();
});
