import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ETCDCTL, etcdctl, withoutIdentity, words } from "./etcdctl.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  ETCDCTL_36_PROGRAM,
  type Implementation,
  type Running,
  served,
  upstream,
  upstream36,
} from "./implementations.ts";

// Takes turns, clients of etcd: see etcdctl.test.ts.

/** Commands in their order, as one would type them. */
const SESSION = [
  "user add root:secret",
  "user add root:secret",
  "user add alice:pw",
  "user add carol --no-password",
  "user list",
  "user list -w json",
  "role add root",
  "user grant-role root root",
  "role add readers",
  "role grant-permission readers read foo",
  "role grant-permission readers readwrite --prefix=true dir/",
  "role grant-permission readers write --from-key=true x",
  "role grant-permission nobody read foo",
  "role get readers",
  "role get readers -w json",
  "role list",
  "user grant-role alice readers",
  "user grant-role alice nothing",
  "user get alice",
  "user get alice --detail",
  "user get nobody",
  "put foo bar",
  "auth enable",
  "get foo",
  "--user root:wrong get foo",
  "--user alice:pw get foo",
  "--user alice:pw put foo x",
  "--user alice:pw put dir/a x",
  "--user alice:pw get --prefix dir/",
  "--user alice:pw get --prefix d",
  "--user alice:pw put xyz 1",
  "--user alice:pw del xyz",
  "--user alice:pw user list",
  "--user alice:pw user get alice",
  "--user alice:pw role get readers",
  "--user alice:pw compaction 2",
  "--user root:secret role revoke-permission readers foo",
  "--user root:secret role revoke-permission readers foo",
  "--user alice:pw get foo",
  "--user root:secret user revoke-role alice readers",
  "--user root:secret user get alice",
  "--user root:secret user delete alice",
  "--user root:secret role delete readers",
  "--user root:secret user delete root",
  "--user root:secret auth disable",
  "get foo",
];

/** etcd lets any user compact; we do not, as its later releases. */
const STRICTER = /compaction/;

function sameAnswers(peer: Implementation, program: string, session: string[]): void {
  let ours: Running;
  let theirs: Running;
  beforeAll(async () => {
    [ours, theirs] = [await served.start(), await peer.start()];
  });
  afterAll(async () => {
    await ours.stop();
    await theirs.stop();
  });

  test.each(session)("%s", async (line) => {
    const results = await Promise.all(
      [ours, theirs].map(({ endpoint }) => etcdctl(endpoint!, words(line), "", program)),
    );
    const [own, expected] = results.map(withoutIdentity);
    if (STRICTER.test(line)) expect(own!.output).toContain("permission denied");
    else expect(own).toEqual(expected);
  });
}

describe.runIf(existsSync(ETCDCTL) && existsSync(ETCD_PROGRAM))("etcdctl 3.4, auth", () =>
  sameAnswers(upstream, ETCDCTL, SESSION),
);

const SESSION_36 = ["auth status", ...SESSION, "role get root -w json", "auth status -w json"];

const has36 = existsSync(ETCDCTL_36_PROGRAM) && existsSync(ETCD_36_PROGRAM);

describe.runIf(has36)("etcdctl 3.6, auth", () =>
  sameAnswers(upstream36, ETCDCTL_36_PROGRAM, SESSION_36),
);
