<?php
/**
 * Lets FreePBX's own generators write the configuration of a small site: its modules (core, ringgroups, queues, findmefollow, …) run as
 * they are, from checkouts that are not part of this repository. What they need of the framework is played here, as little as goes.
 *
 *     php generate.php <folder of the checkouts> <output folder> <socket of MariaDB> < site.json
 */
declare(strict_types=0);
error_reporting(E_ALL & ~E_DEPRECATED & ~E_WARNING & ~E_NOTICE);
set_exception_handler(function (Throwable $e) {
    fwrite(STDERR, $e . "\n");
    exit(1);
});
[, $from, $to, $socket] = $argv;
$site = json_decode(stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);

define('FREEPBX_IS_AUTH', 1);
define('MODULE_STATUS_ENABLED', 2);
define('DB_FETCHMODE_ASSOC', 2);
define('DB_FETCHMODE_ORDERED', 1);
define('FPBX_LOG_WARNING', 'warning');
define('FPBX_LOG_ERROR', 'error');
define('FPBX_LOG_INFO', 'info');
const MODULES = ['core', 'ringgroups', 'queues', 'findmefollow', 'callforward', 'donotdisturb', 'voicemail', 'ivr', 'callrecording'];

// ── The dialplan that the modules write to ───────────────────────────────────────────────────────────────────────────

/** One application of the dialplan: how its arguments are written. Default: all, with commas between. */
const SHAPES = [
    'gosub' => 'gosub', 'goto' => 'goto', 'gosubif' => 'gosubif', 'gotoif' => 'gotoif', 'gotoiftime' => 'gotoif', 'macro' => 'macro',
    'set' => 'set', 'setvar' => 'set', 'setglobalvar' => 'global', 'sethash' => 'hash', 'execif' => 'execif', 'dbdel' => 'dbdel',
    'dbput' => 'dbput', 'db_put' => 'db_put', 'dbget' => 'dbget', 'noop_trace' => 'nothing', 'macroexit' => 'macroexit',
    'setcidname' => 'cidname', 'setcallerpres' => 'pres', 'setcallernamepres' => 'namepres', 'setcallernumpres' => 'numpres',
    'nocdr' => 'nocdr', 'vmexists' => 'vmexists', 'setlanguage' => 'language', 'setmusiconhold' => 'music',
    'digittimeout' => 'digittimeout', 'responsetimeout' => 'responsetimeout', 'lookupcidname' => 'nothing',
];
const APPS = [
    'vm' => 'VoiceMail', 'vmmain' => 'VoiceMailMain', 'agi' => 'AGI', 'deadagi' => 'AGI', 'noop' => 'NoOp', 'waitexten' => 'WaitExten',
    'resetcdr' => 'ResetCDR', 'forkcdr' => 'ForkCDR', 'musiconhold' => 'MusicOnHold', 'clearhash' => 'ClearHash', 'userevent' => 'UserEvent',
];

class extension {
    public array $a;
    public $data;
    public function __construct(...$a) {
        $this->a = $a;
        $this->data = $a[0] ?? '';
    }
    public function output() {
        return (string) $this->data;
    }
}

class OneStep extends extension {
    public function output() {
        $name = substr(static::class, 4);
        [$x, $y, $z] = [$this->a[0] ?? '', $this->a[1] ?? '', $this->a[2] ?? ''];
        $app = APPS[$name] ?? ucfirst($name);
        return match (SHAPES[$name] ?? '') {
            // FreePBX 17 made gosubs of its macros, and `dialparties` (an option that it calls experimental) still reads the arguments of
            // its caller, which a gosub hides: without them it rings nobody. Its default, an AGI program, is not run here.
            'gosub' => 'Gosub(' . self::place($x, $y, $z) . '(' . ($z === 'dialparties' ? '${ARG1},${ARG2},${ARG3}' : $this->a[3] ?? '') . '))',
            'goto' => 'Goto(' . self::place($x, $y, $z) . ')',
            'gosubif' => "GosubIf($x?$y(" . ($this->a[3] ?? '') . ')' . ($z ? ":$z(" . ($this->a[4] ?? '') . ')' : '') . ')',
            'gotoif' => (str_ends_with($name, 'time') ? 'GotoIfTime' : 'GotoIf') . "($x?$y" . ($z ? ":$z" : '') . ')',
            'macro' => str_contains($x, ',')
                ? 'Gosub(macro-' . strtok($x, ',') . ',s,1(' . substr($x, strpos($x, ',') + 1) . '))'
                : "Gosub(macro-$x,s,1($y))",
            'set' => "Set($x=$y)",
            'global' => "Set(GLOBAL($x)=$y)",
            'hash' => "Set(HASH($x,$y)=$z)",
            'execif' => "ExecIf($x?$y($z)" . (($this->a[3] ?? '') === '' ? '' : ':' . $this->a[3] . '(' . ($this->a[4] ?? '') . ')') . ')',
            'dbdel' => 'NoOp(${DB_DELETE(' . $x . ')})',
            'dbput' => "Set(DB($x)=$y)",
            'db_put' => "Set(DB($x/$y)=$z)",
            'dbget' => "Set($x=\${DB($y)})",
            'nothing' => false,
            'macroexit' => 'Return()',
            'cidname' => "Set(CALLERID(name)=$x)",
            'pres' => "Set(CALLERID(pres)=$x)",
            'namepres' => "Set(CALLERID(name-pres)=$x)",
            'numpres' => "Set(CALLERID(num-pres)=$x)",
            'nocdr' => 'Set(CDR_PROP(disable)=true)',
            'vmexists' => 'Set(VMBOXEXISTSSTATUS=${IF(${VM_INFO(' . $x . ',exists)}?SUCCESS:FAILED)})',
            'language' => "Set(CHANNEL(language)=$x)",
            'music' => "Set(CHANNEL(musicclass)=$x)",
            'digittimeout' => "Set(TIMEOUT(digit)=$x)",
            'responsetimeout' => "Set(TIMEOUT(response)=$x)",
            default => "$app(" . rtrim(implode(',', array_map(fn ($v) => $v === false ? '' : (string) $v, $this->a)), ',') . ')',
        };
    }
    private static function place($priority, $extension, $context): string {
        return implode(',', array_filter([$context, $extension, $priority], fn ($v) => $v !== '' && $v !== false && $v !== null));
    }
}
spl_autoload_register(function (string $class) {
    if (preg_match('/^ext_[a-z_]+$/', $class)) eval("class $class extends OneStep {}");
});

/** Contexts, their extensions, includes and hints, in the order in which they came. */
class Dialplan {
    public array $steps = [];
    public array $hints = [];
    public array $includes = [];
    public array $globals = [];

    public function add($context, $extension, $tag, $step, $basetag = false, $plus = false): void {
        $this->steps[$context][trim((string) $extension)][] = ['tag' => $tag, 'step' => $step, 'plus' => $plus ? "$basetag+$plus" : ''];
    }
    public function addHint($context, $extension, $hint): void {
        $this->hints[$context][trim((string) $extension)][] = $hint;
    }
    public function addInclude($context, $included, $comment = ''): void {
        $this->includes[$context][] = $included;
    }
    public function spliceInclude($context, $before, $comment, $included, $comment2 = ''): void {
        $at = array_search($before, $this->includes[$context] ?? [], true);
        array_splice($this->includes[$context], $at === false ? count($this->includes[$context] ?? []) : $at, 0, [$included]);
    }
    public function addGlobal($name, $value): void {
        $this->globals[$name] = $value;
    }
    public function section_exists($context): bool {
        return isset($this->steps[$context]);
    }
    public function splice($context, $extension, $priority, $step, $tag = '', $offset = 0, $fix = false): void {
        $all = &$this->steps[$context][trim((string) $extension)];
        $all ??= [];
        $at = count($all);
        if (ctype_digit(trim((string) $priority))) $at = min((int) $priority, $at);
        else
            foreach ($all as $i => ['tag' => $of]) {
                if ($of !== $priority) continue;
                $at = max(0, $i + $offset);
                break;
            }
        array_splice($all, $at, 0, [['tag' => $tag, 'step' => $step, 'plus' => '']]);
    }
    public function replace($context, $extension, $priority, $step): void {
        foreach ($this->steps[$context][trim((string) $extension)] as $i => &$one) {
            if ($one['tag'] === $priority || (string) ($i + 1) === (string) $priority) {
                $one['step'] = $step;
                return;
            }
        }
    }
    public function __call($name, $args) {
        return false;
    }
    public function written(): string {
        $out = "[globals]\n";
        foreach ($this->globals as $name => $value) $out .= "$name = $value\n";
        $contexts = array_unique([...array_keys($this->steps), ...array_keys($this->includes), ...array_keys($this->hints)]);
        foreach ($contexts as $context) {
            $out .= "\n[$context]\ninclude => $context-custom\n";
            foreach ($this->includes[$context] ?? [] as $included) $out .= "include => $included\n";
            foreach ($this->steps[$context] ?? [] as $extension => $steps) {
                $priority = '1';
                foreach ($steps as ['tag' => $tag, 'step' => $step, 'plus' => $plus]) {
                    $text = $step->output();
                    if ($text === false) continue;
                    $out .= "exten => $extension," . ($priority !== '1' && $plus !== '' ? $plus : $priority) . ($tag ? "($tag)" : '') . ",$text\n";
                    $priority = 'n';
                }
            }
            foreach ($this->hints[$context] ?? [] as $extension => $hints)
                foreach ($hints as $hint) $out .= "exten => $extension,hint,$hint\n";
        }
        return $out;
    }
}

// ── The framework, as little as goes ─────────────────────────────────────────────────────────────────────────────────

interface BMO {}
#[AllowDynamicProperties]
class FreePBX_Helpers {
    public $FreePBX;
    private array $kept = [];
    public function __construct($freepbx = null) {
        $this->FreePBX = $freepbx ?? FreePBX::create();
    }
    public function getConfig($key = null, $id = 'noid') {
        return $this->kept[$id][$key] ?? false;
    }
    public function setConfig($key = null, $value = false, $id = 'noid') {
        $this->kept[$id][$key] = $value;
        return true;
    }
    public function __get($name) {
        return FreePBX::create()->$name;
    }
    public function getAll($id = 'noid') {
        return $this->kept[$id] ?? [];
    }
    public function __call($name, $args) {
        return null;
    }
}

class Rows extends PDO {
    /** `$of`: the values for the question marks, or how the rows are wanted. */
    private function rows($sql, $of, $mode) {
        $rows = $this->prepare($sql);
        $rows->execute(is_array($of) ? $of : null);
        $rows->setFetchMode((is_array($of) ? $mode : $of) === DB_FETCHMODE_ASSOC ? PDO::FETCH_ASSOC : PDO::FETCH_BOTH);
        return $rows;
    }
    public function getAll($sql, $of = null, $mode = null) {
        return $this->rows($sql, $of, $mode)->fetchAll();
    }
    public function getRow($sql, $of = null, $mode = null) {
        return $this->rows($sql, $of, $mode)->fetch() ?: [];
    }
    public function getOne($sql) {
        return $this->query($sql)->fetchColumn();
    }
    public function getCol($sql) {
        return $this->query($sql)->fetchAll(PDO::FETCH_COLUMN);
    }
    public function getAssoc($sql) {
        return $this->query($sql)->fetchAll(PDO::FETCH_KEY_PAIR);
    }
    public function escapeSimple($text) {
        return substr($this->quote((string) $text), 1, -1);
    }
    public function IsError($result = null) {
        return false;
    }
}

/** AstDB, which the generated dialplan reads. What the modules put into it is written into a file of CLI commands. */
class AstDb {
    public array $of = [];
    public function connected() {
        return true;
    }
    public function database_put($family, $key, $value) {
        $this->of["$family/$key"] = (string) $value;
        return true;
    }
    public function database_get($family, $key) {
        return $this->of["$family/$key"] ?? '';
    }
    public function database_del($family, $key) {
        unset($this->of["$family/$key"]);
        return true;
    }
    public function database_deltree($family) {
        foreach (array_keys($this->of) as $key) if (str_starts_with($key, "$family/")) unset($this->of[$key]);
        return true;
    }
    public function database_show($family = '') {
        $found = [];
        foreach ($this->of as $key => $value) if ($family === '' || str_starts_with("/$key", '/' . trim($family, '/') . '/')) $found["/$key"] = $value;
        return $found;
    }
    public function mod_loaded($name) {
        return false;
    }
    public function __call($name, $args) {
        return [];
    }
}

class Settings {
    public function __construct(public array $of) {}
    public function get($key = null) {
        return $this->of[$key] ?? '';
    }
    public function get_conf_setting($key = null) {
        return $this->get($key);
    }
    public function conf_setting_exists($key) {
        return isset($this->of[$key]);
    }
    public function __call($name, $args) {
        return false;
    }
}

class ModuleList {
    public function moduleHasMethod($module, $method) {
        // Its mailboxes lie in files of a running Asterisk; here the site says who has one.
        if (strtolower($module) === 'voicemail') return false;
        $class = '\\FreePBX\\modules\\' . ucfirst(strtolower($module));
        return class_exists($class, false) && method_exists($class, $method);
    }
    public function checkStatus($module, $status = null) {
        return in_array(strtolower($module), MODULES, true);
    }
    public function __call($name, $args) {
        return [];
    }
}

/** What is asked of a module that is not here: nothing. */
class Absent {
    public function __call($name, $args) {
        return [];
    }
}

#[AllowDynamicProperties]
class FreePBX {
    private static self $one;
    private static array $modules = [];
    public static function create() {
        return self::$one ??= new self();
    }
    public static function __callStatic($name, $args) {
        return self::module($name);
    }
    public function __call($name, $args) {
        return self::module($name);
    }
    public function __get($name) {
        return self::module($name);
    }
    private static function module(string $name) {
        $name = ucfirst(strtolower($name));
        if (isset(self::$modules[$name])) return self::$modules[$name];
        return self::$modules[$name] = match ($name) {
            'Database' => $GLOBALS['db'],
            'Config' => $GLOBALS['settings'],
            'Astman' => $GLOBALS['astman'],
            'Modules' => new ModuleList(),
            default => class_exists($class = "\\FreePBX\\modules\\$name", false) ? new $class(self::create()) : new Absent(),
        };
    }
}

class notifications {
    public static function create() {
        return new self();
    }
    public function exists() {
        return true;
    }
    public function __call($name, $args) {
        return false;
    }
}
class featurecode {
    public const CODES = [
        'core/pickup' => '**', 'core/blindxfer' => '##', 'core/atxfer' => '*2', 'donotdisturb/dnd_on' => '*78', 'donotdisturb/dnd_off' => '*79', 'donotdisturb/dnd_toggle' => '*76',
        'callforward/cfon' => '*72', 'callforward/cfoff' => '*73', 'callforward/cfbon' => '*90', 'callforward/cfuon' => '*52',
        'voicemail/myvoicemail' => '*97', 'voicemail/directdialvoicemail' => '*', 'paging/intercom-prefix' => '*80',
    ];
    public function __construct(private $module, private $name) {}
    public function getCodeActive() {
        return self::CODES["$this->module/$this->name"] ?? '';
    }
    public function getCode() {
        return $this->getCodeActive();
    }
    public static function CodeActive($module, $name) {
        return (new self($module, $name))->getCodeActive();
    }
    public function __call($name, $args) {
        return false;
    }
}

class freepbx_conf {
    public static function create() {
        return $GLOBALS['settings'];
    }
}
class DB {
    public static function IsError($result) {
        return false;
    }
}
class modgettext {
    public static function __callStatic($name, $args) {
        return $args[0] ?? '';
    }
}
function edit_crontab(...$args) {}
function q($value) {
    return $GLOBALS['db']->quote((string) $value);
}
function featurecodes_getModuleFeatures($module) {
    $names = array_filter(array_keys(featurecode::CODES), fn ($code) => str_starts_with($code, "$module/"));
    return array_map(fn ($code) => ['featurename' => substr($code, strlen($module) + 1)], array_values($names));
}
function checkRange($extension) {
    return true;
}
function freepbx_trim($text) {
    return trim((string) $text);
}
function freepbx_log(...$args) {}
function dbug(...$args) {}
function out($text) {}
function needreload() {}
function getversion() {
    return '17.0.0';
}
function module_getinfo($module = false, $status = false) {
    return [$module => ['status' => in_array($module, MODULES, true) ? MODULE_STATUS_ENABLED : 0]];
}
function ast_with_dahdi() {
    return false;
}
function framework_get_conflict_url_helper() {
    return '';
}
function recordings_get_file($id) {
    return '';
}
function recordings_get_or_create($id) {
    return 0;
}
function framework_check_extension_usage() {
    return [];
}
function sql($sql, $type = 'query', $mode = PDO::FETCH_NUM) {
    global $db;
    return $type === 'query' ? $db->query($sql) : $db->$type($sql, $mode);
}
function die_freepbx($text, $more = '') {
    throw new RuntimeException("$text $more");
}
if (!function_exists('_')) {
    function _($text) {
        return $text;
    }
}

eval('namespace Psr\\Log; class NullLogger { public function __call($name, $args) {} }');

// ── The site ─────────────────────────────────────────────────────────────────────────────────────────────────────────

$db = new Rows("mysql:unix_socket=$socket", 'root', '', [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec("SET sql_mode=''");
$db->exec('DROP DATABASE IF EXISTS asterisk');
$db->exec('CREATE DATABASE asterisk CHARACTER SET utf8mb4');
$db->exec('USE asterisk');
foreach (MODULES as $module) {
    $xml = simplexml_load_file("$from/$module/module.xml");
    foreach ($xml->database->table ?? [] as $table) {
        $columns = [];
        $keys = [];
        foreach ($table->field as $f) {
            $type = match ((string) $f['type']) {
                'string' => 'varchar(' . ((int) $f['length'] ?: 255) . ')',
                'integer' => 'int',
                'boolean' => 'tinyint',
                'text' => 'longtext',
                'blob' => 'longblob',
                default => (string) $f['type'],
            };
            $isCounted = (string) $f['autoincrement'] === 'true';
            $columns[] = "`{$f['name']}` $type" . ($isCounted ? ' NOT NULL AUTO_INCREMENT' : '');
            if ((string) ($f['primarykey'] ?? $f['primaryKey'] ?? '') === 'true' || (string) $f['primaryKey'] === 'true') $keys[] = "`{$f['name']}`";
        }
        if ($keys) $columns[] = 'PRIMARY KEY (' . implode(',', $keys) . ')';
        $db->exec("CREATE TABLE `{$table['name']}` (" . implode(',', $columns) . ')');
    }
}
$db->exec('CREATE TABLE globals (variable varchar(255), value varchar(255))');
$db->exec('CREATE TABLE emergencydevices LIKE devices');

$amp_conf = [
    'ASTSIPDRIVER' => 'chan_pjsip', 'ASTVERSION' => '22.0.0', 'DIALPARTIESDIALPLAN' => true, 'CWINUSEBUSY' => true, 'USEDEVSTATE' => true,
    'DYNAMICHINTS' => false, 'RINGTIMER' => '15', 'CFRINGTIMERDEFAULT' => '0', 'CONCURRENCYLIMITDEFAULT' => '0', 'AMPEXTENSIONS' => 'extensions',
    'TRUNK_OPTIONS' => 'T', 'DIAL_OPTIONS' => 'Ttr', 'TONEZONE' => 'us', 'HTTPWEBSOCKETMODE' => 'auto', 'ASTCONFAPP' => 'app_confbridge',
    'AMPBADNUMBER' => true, 'VMX_CONTEXT' => 'from-internal', 'ASTSPOOLDIR' => '/tmp', 'MIXMON_DIR' => '', 'MIXMON_FORMAT' => 'wav', 'REC_POLICY' => 'caller', 'ASTVARLIBDIR' => '/tmp',
    'QUEUES_USE_PRIORITY' => false, 'USEQUEUESTATE' => true, 'CONNECTEDLINE_PRESENCESTATE' => false, 'SIPSECRETSIZE' => 16, 'NOOPTRACE' => '0',
    ...($site['settings'] ?? []),
];
$settings = new Settings($amp_conf);
$astman = new AstDb();
$version = '22.0.0';
$engineinfo = ['engine' => 'asterisk', 'version' => $version];
$chan_dahdi = $chan_dahdi_loaded = false;
$ext = new Dialplan();
$core_conf = null;
$_SERVER += ['argv' => [], 'REQUEST_URI' => ''];

spl_autoload_register(function (string $class) use ($from) {
    if (!preg_match('/^FreePBX\\\\modules\\\\(\w+)\\\\(.+)$/i', $class, $m)) return;
    $file = "$from/" . strtolower($m[1]) . '/' . str_replace('\\', '/', $m[2]) . '.php';
    if (is_file($file)) require_once $file;
});
foreach (MODULES as $module) {
    $class = "$from/$module/" . ucfirst($module) . '.class.php';
    if (is_file($class)) require_once $class;
    require_once "$from/$module/functions.inc.php";
}

$core = FreePBX::Core();
foreach ($site['extensions'] as $e) {
    $device = $core->generateDefaultDeviceSettings('pjsip', $e['number'], $e['name']);
    foreach (['dial', 'hint_override'] as $field) if (isset($e[$field])) $device[$field]['value'] = $e[$field];
    $core->addDevice($e['number'], 'pjsip', $device);
    $core->addUser($e['number'], [...$core->generateDefaultUserSettings($e['number'], $e['name']), 'voicemail' => $e['voicemail'] ?? 'novm', ...($e['user'] ?? [])]);
}
foreach ($site['ringGroups'] ?? [] as $g)
    FreePBX::Ringgroups()->add($g['number'], $g['strategy'], $g['seconds'], implode('-', $g['members']), $g['then'] ?? 'app-blackhole,hangup,1', "Group {$g['number']}");
foreach ($site['queues'] ?? [] as $q) {
    $db->exec("INSERT INTO queues_config (extension, descr, qregex) VALUES ('{$q['number']}', 'Queue', '')");
    $rows = ['strategy' => $q['strategy'], 'timeout' => '15', 'retry' => '1', 'ringinuse' => 'no', 'joinempty' => 'yes', 'leavewhenempty' => 'no'];
    foreach ($rows as $k => $v) $db->exec("INSERT INTO queues_details (id, keyword, data, flags) VALUES ('{$q['number']}', '$k', '$v', 0)");
    foreach ($q['members'] as $i => $m) $db->exec("INSERT INTO queues_details (id, keyword, data, flags) VALUES ('{$q['number']}', 'member', 'Local/$m@from-queue/n,0', $i)");
}
foreach ($site['ivrs'] ?? [] as $i) {
    $db->exec("INSERT INTO ivr_details (id, name, announcement, directdial, timeout_time, strict_dial_timeout, timeout_destination, invalid_destination) VALUES ({$i['id']}, 'Menu', 0, '', 10, 2, 'app-blackhole,hangup,1', 'app-blackhole,hangup,1')");
    foreach ($i['keys'] as $key => $dest) $db->exec("INSERT INTO ivr_entries (ivr_id, selection, dest, ivr_ret) VALUES ({$i['id']}, '$key', '$dest', 0)");
}
foreach ($site['followMe'] ?? [] as $f) {
    FreePBX::Findmefollow()->add($f['number'], [
        'strategy' => $f['strategy'],
        'grptime' => $f['seconds'],
        'grplist' => implode('-', $f['members']),
        'pre_ring' => $f['first'] ?? 0,
        'ddial' => '',
    ]);
}
foreach ($site['astdb'] ?? [] as $key => $value) $astman->of[$key] = $value;

// In FreePBX's order: what names no other place in its module.xml comes at 100, core at 480, menus at 600.
const ORDER = ['ringgroups', 'queues', 'findmefollow', 'callforward', 'donotdisturb', 'voicemail', 'callrecording', 'core_do', 'ivr'];
foreach (array_map(fn ($m) => "{$m}_get_config", ORDER) as $generate) {
    if (!function_exists($generate)) throw new RuntimeException("$generate is not there");
    $generate('asterisk');
}
file_put_contents("$to/extensions_additional.conf", $ext->written());
$queues = new queues_conf();
file_put_contents("$to/queues_additional.conf", $queues->generateConf('queues_additional.conf'));
$commands = '';
foreach ($astman->of as $key => $value) {
    $at = strrpos($key, '/');
    $commands .= json_encode([explode('/', $key, 2)[0], explode('/', $key, 2)[1], $value]) . "\n";
}
file_put_contents("$to/astdb.jsonl", $commands);
