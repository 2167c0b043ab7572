// A thread of its own: tenants that list all on many connections, never read, never end their body.
import { request } from "node:https";
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { agentOf, type TenantsOptions } from "./agent.ts";

const { server, ca, tenants, connections } = workerData as TenantsOptions;
const [greedy, silent, endless] = [tenants.greedy, tenants.unread, tenants.endless].map((each) =>
  agentOf(ca, each),
);
const PATH = "/api/v1/configmaps";
// Of this thread alone: tenants are on other machines, and take no time of the server's.
setPriority(constants.priority.PRIORITY_LOW);
let lists = 0;
let refused = 0;

function listAgain(): void {
  const again = () => setImmediate(listAgain);
  const sent = request(`${server}${PATH}`, { agent: greedy }, (response) => {
    if (response.statusCode === 200) lists++;
    else refused++;
    response.resume().on("close", again);
  });
  sent.on("error", again).end();
}

for (let n = 0; n < connections; n++) listAgain();
for (let n = 0; n < 20; n++) {
  const unread = request(`${server}${PATH}`, { agent: silent }, (response) => response.pause());
  unread.on("error", () => undefined).end();
  const headers = { "content-type": "application/json", "content-length": 1_000 };
  const body = request(
    `${server}/api/v1/namespaces/default/configmaps`,
    { agent: endless, method: "POST", headers },
    (response) => response.resume(),
  );
  body.on("error", () => undefined).write("{");
}
setInterval(() => parentPort!.postMessage({ lists, refused }), 500);
