// Opens a new connection for every request and prints a JSON line for each, until a signal.
// Usage: node load-client.ts URL CLIENTS PAUSE_MS
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

const REQUEST_TIMEOUT_MS = 5_000;

/** One request: the first line of the answer, or why there was none. */
function get(url: string): Promise<{ answer?: string; failure?: string }> {
  return new Promise((resolve) => {
    const options = { agent: false, timeout: REQUEST_TIMEOUT_MS } as const;
    const call = request(url, options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => {
        const answer = body.split("\n")[0] ?? "";
        const failure = `HTTP ${response.statusCode}: ${answer}`;
        resolve(response.statusCode === 200 ? { answer } : { failure });
      });
      response.on("error", (error) => resolve({ failure: error.message }));
    });
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", (error) => resolve({ failure: error.message }));
    call.end();
  });
}

let stopping = false;

async function client(url: string): Promise<void> {
  while (!stopping) {
    process.stdout.write(`${JSON.stringify(await get(url))}\n`);
    if (pause_ms > 0) await pause(pause_ms);
  }
}

const [url = "", clients = "1", pauseText = "0"] = process.argv.slice(2);
const pause_ms = Number(pauseText);
process.stdin.on("data", () => (stopping = true));
await Promise.all(Array.from({ length: Number(clients) }, () => client(url)));
process.stdin.destroy();
