// A thread of its own: tenants that list all on many connections, never read, never end their body.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { parentPort, workerData } from "node:worker_threads";
import type { Credentials } from "../apiserver/credentials.ts";

const { server, credentials, connections } = workerData as {
  readonly server: string; readonly credentials: Credentials; readonly connections: number;
};
const agent = new Agent({
  ca: readFileSync(credentials.ca), cert: readFileSync(credentials.admin.cert),
  key: readFileSync(credentials.admin.key), keepAlive: true,
});
const as = (name: string) => ({ "impersonate-user": name, "impersonate-group": "tenants" });
const PATH = "/api/v1/configmaps";
let lists = 0;
let refused = 0;

function listAgain(): void {
  const again = () => setImmediate(listAgain);
  const sent = request(`${server}${PATH}`, { agent, headers: as("greedy") }, (response) => {
    if (response.statusCode === 200) lists++;
    else refused++;
    response.resume().on("close", again);
  });
  sent.on("error", again).end();
}

for (let n = 0; n < connections; n++) listAgain();
for (let n = 0; n < 20; n++) {
  const unread = request(`${server}${PATH}`, { agent, headers: as("unread") },
    (response) => response.pause());
  unread.on("error", () => undefined).end();
  const headers = { ...as("endless"), "content-type": "application/json", "content-length": 1_000 };
  const endless = request(`${server}/api/v1/namespaces/default/configmaps`,
    { agent, method: "POST", headers }, (response) => response.resume());
  endless.on("error", () => undefined).write("{");
}
setInterval(() => parentPort!.postMessage({ lists, refused }), 500);
