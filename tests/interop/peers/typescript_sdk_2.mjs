// The TypeScript SDK, version 2: the same in each era of the protocol.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const plan = JSON.parse(readFileSync(0, "utf-8"));
const { resolve } = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(resolve(name)));
const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
const { StdioClientTransport } = await load("@modelcontextprotocol/client/stdio");

const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: plan.headers } })
  : new StdioClientTransport({ command: plan.command, args: plan.args, env: plan.env });
const client = new Client({ name: "typescript-sdk-2", version: "1" }, { versionNegotiation: { mode: plan.era } });
await client.connect(transport);
const { tools } = await client.listTools();
const replies = [];
for (const [name, args] of plan.calls) {
  const result = await client.callTool({ name, arguments: args });
  replies.push([result.structuredContent.outcome, Boolean(result.isError)]);
}
await client.close();
console.log(JSON.stringify({ tools: tools.length, replies }));
