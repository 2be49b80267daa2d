-- pushwake for FusionPBX: ring groups and follow-me wake sleeping phones.
--
-- FusionPBX's scripts dial the contacts that FreeSWITCH holds (sofia_contact) and leave out a phone that has none: a sleeping one. Each of them
-- begins with `require "resources.functions.config"`. lua.conf.xml names the folder of this file before FusionPBX's own, so that this
-- file is found first. It loads FusionPBX's file of that name and then, for ring groups and follow-me only, changes two things:
--   * sofia_contact of an account that pushwake can wake says user/<account>,
--   * a bridge to such an account goes through pushwake, with the whole dial string as FusionPBX wrote it.
-- While pushwake is away or hangs, while it only observes, and for every other account, all is as without this file. An error in here is
-- logged, and the call goes on without it.

local name, own = ...
local CONTEXT = "pushwake@fusionpbx"
local ACCOUNT = "[%w._~+-]+@[%w.-]+"

for template in package.path:gmatch("[^;]+") do
	local path = template:gsub("%?", (name:gsub("%.", "/")))
	local file = path ~= own and io.open(path)
	if file then
		file:close()
		dofile(path)
		break
	end
end

-- The same object, with some of its functions replaced.
local function instead(real, functions)
	return setmetatable({}, {
		__index = function(_, key)
			if functions[key] then return functions[key] end
			local value = real[key]
			if type(value) ~= "function" then return value end
			return function(_, ...) return value(real, ...) end
		end
	})
end

local function wake()
	local new_api = freeswitch.API
	local api = new_api()
	local caller = session

	-- Domains have no case, and pushwake writes them small.
	local function named(account)
		return (account:gsub("@.*$", string.lower))
	end

	-- Whether pushwake holds its lease, and has marked the account: it can be woken.
	local function wakes(account)
		local till = tonumber(api:executeString("hash select/pushwake/until"))
		return till ~= nil and till > os.time() and api:executeString("hash select/pushwake_aor/" .. account) == "1"
	end

	freeswitch.API = function()
		local real = new_api()
		return instead(real, {
			executeString = function(_, command)
				local account = type(command) == "string" and command:match("^sofia_contact %*/(" .. ACCOUNT .. ")$")
				if account and wakes(named(account)) then return "user/" .. named(account) end
				return real:executeString(command)
			end
		})
	end

	session = instead(caller, {
		execute = function(_, application, data, ...)
			if application == "bridge" and type(data) == "string" then
				for account in data:gmatch("user/(" .. ACCOUNT .. ")") do
					if wakes(named(account)) then
						caller:setVariable("pushwake_plain", data)
						caller:execute("execute_extension", named(account) .. " XML " .. CONTEXT)
						caller:execute("unset", "pushwake_plain")
						return
					end
				end
			end
			return caller:execute(application, data, ...)
		end
	})
end

if argv and (argv[1] == "ring_groups" or argv[1] == "follow_me") and session then
	local done, why = pcall(wake)
	if not done then freeswitch.consoleLog("warning", "[pushwake] ring groups and follow-me wake nobody: " .. tostring(why) .. "\n") end
end
