// The TypeScript SDK, version 1: lists, calls, and checks each reply against the tool's output schema, also an error's.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const plan = JSON.parse(readFileSync(0, "utf-8"));
const { resolve } = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");

const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: plan.headers } })
  : new StdioClientTransport({ command: plan.command, args: plan.args, env: plan.env });
const client = new Client({ name: "typescript-sdk-1", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const replies = [];
for (const [name, args] of plan.calls) {
  const result = await client.callTool({ name, arguments: args });
  replies.push([result.structuredContent.outcome, Boolean(result.isError)]);
}
await client.close();
console.log(JSON.stringify({ tools: tools.length, replies }));
