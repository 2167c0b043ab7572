import { expect, it } from "vitest";
import { authenticated } from "./identities.ts";

// Upstream's pkg/authentication/group/authenticated_group_adder_test.go.
it.each([
  ["a user", { name: "ann", groups: ["dev"] }, ["dev", "system:authenticated"]],
  ["a user in that group", { name: "ann", groups: ["system:authenticated"] }, undefined],
  [
    "a user that a proxy did not know",
    { name: "x", groups: ["system:unauthenticated"] },
    undefined,
  ],
  ["a proxy's anonymous user", { name: "system:anonymous", groups: ["dev"] }, undefined],
])("%s is authenticated as upstream has it", (_, user, groups) => {
  expect(authenticated(user)).toEqual({ ...user, groups: groups ?? user.groups });
});
