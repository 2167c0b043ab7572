import { expectLeader, expectNoLeader, expectNotApplied } from "../raft/judged.ts";
import { ELECTION_MS } from "../raft/limits.ts";
import { scenario } from "../raft/scenario.ts";

const RUNS = 5;
/** A change from voters 1 2 3 to voters 3 4 5: both majorities decide. */
const JOINT = {
  voters: [3n, 4n, 5n],
  outgoing: [1n, 2n, 3n],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

scenario("the new voters alone elect no leader", { servers: 5, runs: RUNS }, (cluster) => {
  for (const server of cluster.servers) {
    server.startWith({ term: 1, log: [1], commit: 1, membership: JOINT });
  }
  const [one, two] = cluster.servers;
  for (const server of [one!, two!]) cluster.disconnect(server);
  cluster.run(3 * ELECTION_MS);
  expectNoLeader(cluster, "joint, from 1 2 3 to 3 4 5; only 3, 4 and 5 are connected");
});

scenario("the new voters alone commit nothing", { servers: 5, runs: RUNS }, (cluster) => {
  for (const server of cluster.servers) {
    server.startWith({ term: 1, log: [1], commit: 1, membership: JOINT });
  }
  const [one, two, three] = cluster.servers;
  three!.campaign();
  const leader = expectLeader(cluster, "joint, from 1 2 3 to 3 4 5; all five are connected");
  for (const server of [one!, two!]) if (server !== leader) cluster.disconnect(server);
  const taken = cluster.submit(leader, "by the new voters");
  cluster.run(ELECTION_MS / 10);
  if (taken) expectNotApplied(cluster, taken.index, "joint; of 1, 2 and 3 only one is connected");
});
