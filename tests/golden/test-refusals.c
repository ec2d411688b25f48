/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is refused, with libvirt's code, origin and words. */
#include "golden.h"

#include "errors.h"

typedef enum DocumentKind { POOL, VOLUME, CLONE, SOURCE } DocumentKind;

typedef struct Refusal {
    DocumentKind kind;
    const char *type; /* of the pool; NULL where the document says it */
    const char *xml;
    ErrorCode code;
    ErrorOrigin origin;
    const char *message;
} Refusal;

/* A pool that is good but for its source, its target or what comes after. */
#define POOL_OF(type, source, rest)                                                                \
    "<pool type='" type "'><name>n</name><source>" source "</source>"                              \
    "<target><path>/t</path></target>" rest "</pool>"
#define NETFS(more)              POOL_OF("netfs", "<host name='h'/><dir path='/d'/>" more, "")
#define SCSI(adapter)            POOL_OF("scsi", adapter, "")
#define FC(more)                 SCSI("<adapter type='fc_host' " more "/>")
#define BY_BUS(more)             SCSI("<adapter type='scsi_host'><parentaddr " more "</parentaddr></adapter>")
#define AUTH(auth)               POOL_OF("dir", auth, "")
#define TARGET(target)           "<pool type='dir'><name>n</name><target>" target "</target></pool>"
#define PERMISSIONS(permissions) TARGET("<path>/t</path><permissions>" permissions "</permissions>")
#define RBD(options)                                                                               \
    "<pool type='rbd' xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'><name>n</name>"   \
    "<source><host name='h'/><name>p</name></source>"                                              \
    "<rbd:config_opts>" options "</rbd:config_opts></pool>"
#define MOUNT(options)                                                                             \
    "<pool type='fs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>n</name>"      \
    "<source><device path='/d'/></source><target><path>/t</path></target>"                         \
    "<fs:mount_opts>" options "</fs:mount_opts></pool>"
#define SIZED(capacity)   "<volume><name>v</name>" capacity "</volume>"
#define VOLUME_OF(target) SIZED("<capacity>1</capacity><target>" target "</target>")
#define SECRET(attributes)                                                                         \
    VOLUME_OF("<encryption format='luks'><secret " attributes "/></encryption>")
#define LUKS(more) VOLUME_OF("<encryption format='luks'>" more "</encryption>")

#define XML_POOL    POOL, NULL
#define XML_VOLUME  VOLUME, "dir"
#define STORAGE     ERROR_XML, ORIGIN_STORAGE
#define SYNTAX      ERROR_XML_DETAIL, ORIGIN_STORAGE
#define XML         ERROR_XML, ORIGIN_XML
#define UNSUPPORTED ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE
#define NO_ORIGIN   ERROR_XML, ORIGIN_NONE
#define UNIT        ERROR_INVALID_ARGUMENT, ORIGIN_NONE
#define OVERFLOW    ERROR_OVERFLOW, ORIGIN_NONE

static const Refusal refusals[] = {
    /* Text that is no document. */
    {XML_POOL, "", SYNTAX, "(storage_pool_definition):1: Document is empty\n\n^"},
    {XML_VOLUME, "", SYNTAX, "(storage_volume_definition):1: Document is empty\n\n^"},
    {SOURCE, "netfs", "", SYNTAX, "(storage_source_specification):1: Document is empty\n\n^"},
    {XML_POOL, "x", SYNTAX, "(storage_pool_definition):1: Start tag expected, '<' not found\nx\n^"},
    {XML_POOL, "<pool", SYNTAX,
     "(storage_pool_definition):1: Couldn't find end of Start Tag pool line 1\n<pool\n-----^"},
    {XML_POOL, "<pool>\n  <name>\n</pool>", SYNTAX,
     "(storage_pool_definition):3: Opening and ending tag mismatch: name line 2 and pool\n"
     "</pool>\n-------^"},
    {XML_POOL, "<pool>\n\t<name>é</nam>\n</pool>", SYNTAX,
     "(storage_pool_definition):2: Opening and ending tag mismatch: name line 2 and nam\n"
     "\t<name>é</nam>\n\t--------------^"},
    {XML_POOL, "<pool/><x/>", SYNTAX,
     "(storage_pool_definition):1: Extra content at the end of the document\n"
     "<pool/><x/>\n-------^"},
    {XML_POOL, "<pool>&a;</pool>", SYNTAX,
     "(storage_pool_definition):1: Entity 'a' not defined\n<pool>&a;</pool>\n---------^"},
    {XML_POOL, "<pool type='dir' type='x'/>", SYNTAX,
     "(storage_pool_definition):1: Attribute type redefined\n"
     "<pool type='dir' type='x'/>\n-------------------------^"},
    {XML_POOL, "<x/>", XML, "XML error: expecting root element of 'pool', not 'x'"},
    {XML_VOLUME, "<x/>", XML, "XML error: expecting root element of 'volume', not 'x'"},
    {SOURCE, "netfs", "<x/>", XML, "XML error: expecting root element of 'source', not 'x'"},

    /* Type, name, UUID. */
    {XML_POOL, "<pool/>", XML, "XML error: Missing required attribute 'type' in element 'pool'"},
    {XML_POOL, "<pool type='q'/>", XML,
     "XML error: Invalid value for attribute 'type' in element 'pool': 'q'."},
    {XML_POOL, "<pool type=''/>", XML,
     "XML error: Invalid value for attribute 'type' in element 'pool': ''."},
    {XML_POOL, "<pool type='dir'/>", STORAGE, "XML error: missing pool source name element"},
    {XML_POOL, "<pool type='dir'><name></name></pool>", STORAGE,
     "XML error: missing pool source name element"},
    {XML_POOL, "<pool type='logical'/>", STORAGE, "XML error: missing pool source name element"},
    {XML_POOL, "<pool xmlns='u' type='dir'><name>n</name></pool>", STORAGE,
     "XML error: missing pool source name element"},
    {XML_POOL, "<pool type='dir'><name>a/b</name></pool>", STORAGE,
     "XML error: name a/b cannot contain '/'"},
    {XML_POOL, "<pool type='zfs'><source><name>a/b</name></source></pool>", STORAGE,
     "XML error: name a/b cannot contain '/'"},
    {XML_POOL, "<pool type='dir'><name>a</name><uuid>x</uuid></pool>", STORAGE,
     "XML error: malformed uuid element"},
    {XML_POOL, "<pool type='dir'><name>a</name><uuid>40bc5a987265406ea3dfda03289195e</uuid></pool>",
     STORAGE, "XML error: malformed uuid element"},

    /* Features. */
    {XML_POOL, POOL_OF("dir", "", "<features><cow state='q'/></features>"), XML,
     "XML error: Invalid value for attribute 'state' in element 'cow': 'q'."},
    {XML_POOL, POOL_OF("dir", "", "<features><cow state=''/></features>"), XML,
     "XML error: Invalid value for attribute 'state' in element 'cow': ''."},
    {XML_POOL, POOL_OF("mpath", "", "<features><cow state='no'/></features>"), ERROR_NO_SUPPORT,
     ORIGIN_STORAGE,
     "this function is not supported by the connection driver: cow feature may only be used for "
     "'fs' and 'dir' pools"},

    /* Hosts. */
    {XML_POOL, POOL_OF("netfs", "", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, "<pool type='netfs'><name>n</name></pool>", STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("iscsi", "", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("iscsi-direct", "", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("rbd", "<name>p</name>", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("sheepdog", "", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("gluster", "", ""), STORAGE,
     "XML error: missing storage pool source host name"},
    {XML_POOL, POOL_OF("netfs", "<host/>", ""), STORAGE,
     "XML error: missing storage pool host name"},
    {XML_POOL, POOL_OF("netfs", "<host name='h'/><host port='1'/>", ""), STORAGE,
     "XML error: missing storage pool host name"},
    {XML_POOL, POOL_OF("netfs", "<host name='h' port='x'/>", ""), XML,
     "XML error: Invalid value for attribute 'port' in element 'host': 'x'. "
     "Expected integer value"},
    {XML_POOL, POOL_OF("netfs", "<host name='h' port=''/>", ""), XML,
     "XML error: Invalid value for attribute 'port' in element 'host': ''. Expected integer value"},
    {XML_POOL, POOL_OF("netfs", "<host name='h' port='5 '/>", ""), XML,
     "XML error: Invalid value for attribute 'port' in element 'host': '5 '. "
     "Expected integer value"},
    {XML_POOL, POOL_OF("netfs", "<host name='h' port='2147483648'/>", ""), XML,
     "XML error: Invalid value for attribute 'port' in element 'host': '2147483648'. "
     "Expected integer value"},
    {XML_POOL, POOL_OF("netfs", "<host name='h' port='0x10'/>", ""), XML,
     "XML error: Invalid value for attribute 'port' in element 'host': '0x10'. "
     "Expected integer value"},
    {SOURCE, "netfs", "<source><host/></source>", STORAGE,
     "XML error: missing storage pool host name"},

    /* Devices, folders, names, initiators. */
    {XML_POOL, POOL_OF("fs", "<device/>", ""), STORAGE,
     "XML error: missing storage pool source device path"},
    {XML_POOL, POOL_OF("fs", "<device path='/x'/><device/>", ""), STORAGE,
     "XML error: missing storage pool source device path"},
    {XML_POOL, POOL_OF("fs", "", ""), STORAGE,
     "XML error: missing storage pool source device name"},
    {XML_POOL, POOL_OF("disk", "", ""), STORAGE,
     "XML error: missing storage pool source device name"},
    {XML_POOL, POOL_OF("disk", "<device path='/x' part_separator='q'/>", ""), XML,
     "XML error: Invalid value for attribute 'part_separator' in element 'device': 'q'."},
    {XML_POOL, POOL_OF("netfs", "<host name='h'/>", ""), STORAGE,
     "XML error: missing storage pool source path"},
    {XML_POOL, POOL_OF("netfs", "<host name='h'/><dir path=''/>", ""), STORAGE,
     "XML error: missing storage pool source path"},
    {XML_POOL, POOL_OF("rbd", "<host name='h'/>", ""), STORAGE,
     "XML error: element 'name' is mandatory for RBD pool"},
    {XML_POOL, POOL_OF("rbd", "<host name='h'/><name/>", ""), STORAGE,
     "XML error: element 'name' is mandatory for RBD pool"},
    {XML_POOL, POOL_OF("iscsi-direct", "<host name='h'/>", ""), UNSUPPORTED,
     "unsupported configuration: missing initiator IQN"},
    {XML_POOL, POOL_OF("iscsi-direct", "<host name='h'/><initiator><iqn name=''/></initiator>", ""),
     UNSUPPORTED, "unsupported configuration: missing initiator IQN"},

    /* Formats and protocol. */
    {XML_POOL, NETFS("<format type='zz'/>"), UNSUPPORTED,
     "unsupported configuration: unknown pool format type zz"},
    {XML_POOL, POOL_OF("fs", "<format type='nfs'/>", ""), UNSUPPORTED,
     "unsupported configuration: unknown pool format type nfs"},
    {XML_POOL, POOL_OF("logical", "<format type='zz'/>", ""), UNSUPPORTED,
     "unsupported configuration: unknown pool format type zz"},
    {XML_POOL, POOL_OF("disk", "<format type='msdos'/>", ""), UNSUPPORTED,
     "unsupported configuration: unknown pool format type msdos"},
    {SOURCE, "netfs", "<source><format type='zz'/></source>", UNSUPPORTED,
     "unsupported configuration: unknown pool format type zz"},
    {XML_POOL, NETFS("<format type='cifs'/><protocol ver='3'/>"), UNSUPPORTED,
     "unsupported configuration: storage pool protocol ver unsupported for pool type 'cifs'"},
    {XML_POOL, NETFS("<format type='glusterfs'/><protocol ver='3,x'/>"), UNSUPPORTED,
     "unsupported configuration: storage pool protocol ver unsupported for pool type 'glusterfs'"},
    /* Here libvirt looks the word up in the wrong list. */
    {XML_POOL, POOL_OF("fs", "<device path='/d'/><format type='ext4'/><protocol ver='3'/>", ""),
     UNSUPPORTED,
     "unsupported configuration: storage pool protocol ver unsupported for pool type 'ext4'"},
    {XML_POOL, NETFS("<protocol ver='3,sync'/>"), SYNTAX,
     "storage pool protocol ver '3,sync' must not contain ','"},

    /* Adapters. */
    {XML_POOL, SCSI(""), STORAGE, "XML error: missing storage pool source adapter"},
    {XML_POOL, SCSI("<adapter/>"), STORAGE, "XML error: missing storage pool source adapter"},
    {XML_POOL, SCSI("<adapter type='q'/>"), XML,
     "XML error: Invalid value for attribute 'type' in element 'adapter': 'q'."},
    {XML_POOL, SCSI("<adapter type='default'/>"), XML,
     "XML error: Invalid value for attribute 'type' in element 'adapter': 'default'."},
    {XML_POOL, SCSI("<adapter wwnn='1'/>"), STORAGE,
     "XML error: Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter "
     "'type'"},
    {XML_POOL, SCSI("<adapter name='x' wwpn='1'/>"), STORAGE,
     "XML error: Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter "
     "'type'"},
    {XML_POOL, SCSI("<adapter parent='p'/>"), STORAGE,
     "XML error: Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter "
     "'type'"},
    {XML_POOL, SCSI("<adapter name='x'><parentaddr/></adapter>"), STORAGE,
     "XML error: Use of 'parentaddr' element requires use of the adapter 'type'"},
    {XML_POOL, SCSI("<adapter type='scsi_host'/>"), STORAGE,
     "XML error: Either 'name' or 'parent' must be specified for the 'scsi_host' adapter"},
    {XML_POOL,
     SCSI("<adapter type='scsi_host' name='a'><parentaddr unique_id='1'><address/></parentaddr>"
          "</adapter>"),
     STORAGE,
     "XML error: Both 'name' and 'parent' cannot be specified for the 'scsi_host' adapter"},
    {XML_POOL, BY_BUS(">"), STORAGE, "XML error: Missing scsi_host PCI address element"},
    {XML_POOL, BY_BUS("><address/>"), STORAGE,
     "XML error: Missing or invalid scsi adapter 'unique_id' value"},
    {XML_POOL, BY_BUS("unique_id='-1'><address/>"), STORAGE,
     "XML error: Missing or invalid scsi adapter 'unique_id' value"},
    {XML_POOL, BY_BUS("unique_id='x'><address/>"), STORAGE,
     "XML error: Missing or invalid scsi adapter 'unique_id' value"},
    {XML_POOL, BY_BUS("unique_id='1'><address domain='x'/>"), XML,
     "XML error: Invalid value for attribute 'domain' in element 'address': 'x'. "
     "Expected non-negative integer value"},
    {XML_POOL, BY_BUS("unique_id='1'><address bus='0x1ff'/>"), NO_ORIGIN,
     "XML error: Invalid PCI address bus='0x1ff', must be <= 0xFF"},
    {XML_POOL, BY_BUS("unique_id='1'><address slot='0x2f'/>"), NO_ORIGIN,
     "XML error: Invalid PCI address slot='0x2f', must be <= 0x1F"},
    {XML_POOL, BY_BUS("unique_id='1'><address function='8'/>"), NO_ORIGIN,
     "XML error: Invalid PCI address function=0x8, must be <= 7"},
    {XML_POOL, FC(""), STORAGE,
     "XML error: 'wwnn' and 'wwpn' must be specified for adapter type 'fchost'"},
    {XML_POOL, FC("wwnn='20000000c9848140'"), STORAGE,
     "XML error: 'wwnn' and 'wwpn' must be specified for adapter type 'fchost'"},
    {XML_POOL, FC("wwnn='1' wwpn='2'"), ERROR_INTERNAL, ORIGIN_NONE,
     "internal error: Malformed wwn: 1"},
    {XML_POOL, FC("wwnn='20000000c9848140' wwpn='20000000c984814g'"), ERROR_INTERNAL, ORIGIN_NONE,
     "internal error: Malformed wwn: 20000000c984814g"},
    {XML_POOL, FC("wwnn='0X20000000c9848140' wwpn='20000000c9848141'"), ERROR_INTERNAL, ORIGIN_NONE,
     "internal error: Malformed wwn: 0X20000000c9848140"},
    {XML_POOL, FC("wwnn='20000000c9848140' wwpn='20000000c9848141' parent_fabric_wwn='x'"),
     ERROR_INTERNAL, ORIGIN_NONE, "internal error: Malformed wwn: x"},
    {XML_POOL, FC("wwnn='20000000c9848140' wwpn='20000000c9848141' parent_wwnn='20000000c9848142'"),
     STORAGE,
     "XML error: when providing parent_wwnn='20000000c9848142', the parent_wwpn must also be "
     "provided"},
    {XML_POOL, FC("wwnn='20000000c9848140' wwpn='20000000c9848141' parent_wwpn='20000000c9848142'"),
     STORAGE,
     "XML error: when providing parent_wwpn='20000000c9848142', the parent_wwnn must also be "
     "provided"},
    {XML_POOL, FC("wwnn='20000000c9848140' wwpn='20000000c9848141' managed='q'"), XML,
     "XML error: Invalid value for attribute 'managed' in element 'adapter': 'q'."},

    /* Authentication. */
    {XML_POOL, AUTH("<auth type='x'/>"), STORAGE, "XML error: missing username for auth"},
    {XML_POOL, AUTH("<auth type='chap' username=''/>"), STORAGE,
     "XML error: missing username for auth"},
    {XML_POOL, AUTH("<auth type='x' username='u'/>"), UNSUPPORTED,
     "unsupported configuration: unknown auth type 'x'"},
    {XML_POOL, AUTH("<auth type='chap' username='u'/>"), STORAGE,
     "XML error: Missing <secret> element in auth"},
    {XML_POOL, AUTH("<auth username='u'><secret usage='s'/></auth>"), UNSUPPORTED,
     "unsupported configuration: storage pool missing auth type"},
    {XML_POOL, AUTH("<auth username='u' type='none'><secret usage='s'/></auth>"), UNSUPPORTED,
     "unsupported configuration: storage pool missing auth type"},
    {XML_POOL, AUTH("<auth username='u' type='chap'><secret/></auth>"), NO_ORIGIN,
     "XML error: missing secret uuid or usage attribute"},
    {XML_POOL, AUTH("<auth username='u' type='chap'><secret uuid='zz' usage='s'/></auth>"),
     NO_ORIGIN, "XML error: either secret uuid or usage expected"},
    {XML_POOL, AUTH("<auth username='u' type='chap'><secret uuid='zz'/></auth>"), NO_ORIGIN,
     "XML error: invalid secret uuid 'zz'"},

    /* Target. */
    {XML_POOL, "<pool type='dir'><name>n</name></pool>", STORAGE,
     "XML error: missing storage pool target path"},
    {XML_POOL, TARGET(""), STORAGE, "XML error: missing storage pool target path"},
    {XML_POOL, TARGET("<path/><permissions><mode>9</mode></permissions>"), STORAGE,
     "XML error: missing storage pool target path"},
    {XML_POOL, PERMISSIONS("<mode>999</mode>"), STORAGE, "XML error: malformed octal mode"},
    {XML_POOL, PERMISSIONS("<mode>1777</mode>"), STORAGE, "XML error: malformed octal mode"},
    {XML_POOL, PERMISSIONS("<mode>0x1ff</mode>"), STORAGE, "XML error: malformed octal mode"},
    {XML_POOL, PERMISSIONS("<mode>-1</mode>"), STORAGE, "XML error: malformed octal mode"},
    {XML_POOL, PERMISSIONS("<mode>7 </mode>"), STORAGE, "XML error: malformed octal mode"},
    {XML_POOL, PERMISSIONS("<owner></owner>"), STORAGE, "XML error: malformed owner element"},
    {XML_POOL, PERMISSIONS("<owner>x</owner>"), STORAGE, "XML error: malformed owner element"},
    {XML_POOL, PERMISSIONS("<owner>-2</owner>"), STORAGE, "XML error: malformed owner element"},
    {XML_POOL, PERMISSIONS("<owner>4294967296</owner>"), STORAGE,
     "XML error: malformed owner element"},
    {XML_POOL, PERMISSIONS("<group></group>"), STORAGE, "XML error: malformed group element"},
    {XML_POOL, PERMISSIONS("<group>0x1</group>"), STORAGE, "XML error: malformed group element"},
    {XML_POOL,
     "<pool type='logical'><name>n</name><target><permissions><mode>8</mode></permissions>"
     "</target></pool>",
     STORAGE, "XML error: malformed octal mode"},

    /* Refresh and options. */
    {XML_POOL, POOL_OF("dir", "", "<refresh><volume allocation='x'/></refresh>"), UNSUPPORTED,
     "unsupported configuration: unknown storage pool volume refresh allocation type x"},
    {XML_POOL, MOUNT("<fs:option/>"), STORAGE, "XML error: no fs mount option name specified"},
    {XML_POOL, RBD("<rbd:option/>"), STORAGE, "XML error: no rbd option name specified"},
    {XML_POOL, RBD("<rbd:option name=''/>"), STORAGE, "XML error: empty rbd option name specified"},
    {XML_POOL, RBD("<rbd:option name='n'/>"), STORAGE,
     "XML error: no rbd option value specified for name 'n'"},
    {XML_POOL, RBD("<rbd:option name='n' value=''/>"), STORAGE,
     "XML error: empty rbd option value specified for name 'n'"},

    /* Of several faults, the one that libvirt finds first. */
    {XML_POOL, "<pool type='q'><source><device/></source></pool>", XML,
     "XML error: Invalid value for attribute 'type' in element 'pool': 'q'."},
    {XML_POOL, "<pool type='rbd'><source><host/></source></pool>", STORAGE,
     "XML error: element 'name' is mandatory for RBD pool"},
    {XML_POOL, POOL_OF("netfs", "<host/><format type='q'/>", ""), UNSUPPORTED,
     "unsupported configuration: unknown pool format type q"},
    {XML_POOL, "<pool type='netfs'><source><auth/><host/></source></pool>", STORAGE,
     "XML error: missing storage pool host name"},
    {XML_POOL, "<pool type='scsi'><source><auth/><adapter type='q'/></source></pool>", XML,
     "XML error: Invalid value for attribute 'type' in element 'adapter': 'q'."},
    {XML_POOL, "<pool type='dir'><source><protocol ver=','/><auth/></source></pool>", STORAGE,
     "XML error: missing username for auth"},
    {XML_POOL, "<pool type='fs'><source><device/></source><name>a/b</name></pool>", STORAGE,
     "XML error: missing storage pool source device path"},
    {XML_POOL, "<pool type='fs'><name>a/b</name><uuid>q</uuid></pool>", STORAGE,
     "XML error: name a/b cannot contain '/'"},
    {XML_POOL,
     "<pool type='fs'><name>n</name><uuid>q</uuid><features><cow state='q'/></features></pool>",
     STORAGE, "XML error: malformed uuid element"},
    {XML_POOL, "<pool type='netfs'><name>n</name><features><cow state='q'/></features></pool>", XML,
     "XML error: Invalid value for attribute 'state' in element 'cow': 'q'."},
    {XML_POOL, "<pool type='scsi'><name>n</name></pool>", STORAGE,
     "XML error: missing storage pool source adapter"},
    {XML_POOL, "<pool type='disk'><name>n</name></pool>", STORAGE,
     "XML error: missing storage pool source device name"},
    {XML_POOL, "<pool type='dir'><name>n</name><refresh><volume allocation='x'/></refresh></pool>",
     STORAGE, "XML error: missing storage pool target path"},
    {XML_POOL,
     "<pool type='iscsi-direct'><name>n</name><source><host name='h'/></source>"
     "<refresh><volume allocation='x'/></refresh></pool>",
     UNSUPPORTED, "unsupported configuration: missing initiator IQN"},

    /* Volumes. */
    {XML_VOLUME, "<volume type='qq'/>", STORAGE, "XML error: missing volume name element"},
    {XML_VOLUME, "<volume><name/></volume>", STORAGE, "XML error: missing volume name element"},
    {XML_VOLUME, "<volume type='qq'><name>v</name></volume>", UNSUPPORTED,
     "unsupported configuration: unknown volume type 'qq'"},
    {XML_VOLUME, "<volume><name>a/b</name><capacity>1</capacity></volume>", ERROR_OPERATION_INVALID,
     ORIGIN_STORAGE, "Requested operation is not valid: volume name 'a/b' cannot contain '/'"},
    {VOLUME, "vstorage", "<volume><name>a/b</name><capacity>1</capacity></volume>",
     ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
     "Requested operation is not valid: volume name 'a/b' cannot contain '/'"},
    {XML_VOLUME, SIZED(""), STORAGE, "XML error: missing capacity element"},
    {XML_VOLUME, SIZED("<capacity/>"), STORAGE, "XML error: missing capacity element"},
    {XML_VOLUME, SIZED("<backingStore><path/></backingStore>"), STORAGE,
     "XML error: missing capacity element"},
    {XML_VOLUME, SIZED("<capacity>x</capacity>"), STORAGE, "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity>-1</capacity>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity>1 </capacity>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity>1.5</capacity>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity>99999999999999999999</capacity>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity>1</capacity><allocation>x</allocation>"), STORAGE,
     "XML error: malformed capacity element"},
    {CLONE, "dir", SIZED("<capacity>x</capacity>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, SIZED("<capacity unit='Q'>1</capacity>"), UNIT,
     "invalid argument: unknown suffix 'Q'"},
    {XML_VOLUME, SIZED("<capacity unit=' G'>1</capacity>"), UNIT,
     "invalid argument: unknown suffix ' G'"},
    {XML_VOLUME, SIZED("<capacity>1</capacity><allocation unit='Q'>1</allocation>"), UNIT,
     "invalid argument: unknown suffix 'Q'"},
    {XML_VOLUME, SIZED("<capacity unit='E'>9</capacity>"), OVERFLOW,
     "numerical overflow: value too large: 9E"},
    {XML_VOLUME, SIZED("<capacity>9223372036854775808</capacity>"), OVERFLOW,
     "numerical overflow: value too large: 9223372036854775808"},
    {VOLUME, "logical", SIZED("<capacity>0</capacity>"), ERROR_NO_SUPPORT, ORIGIN_STORAGE,
     "this function is not supported by the connection driver: volume capacity required for this "
     "storage pool"},
    {VOLUME, "disk", SIZED("<capacity>0</capacity>"), ERROR_NO_SUPPORT, ORIGIN_STORAGE,
     "this function is not supported by the connection driver: volume capacity required for this "
     "storage pool"},
    {VOLUME, "zfs", SIZED("<backingStore><path>/b</path></backingStore>"), ERROR_NO_SUPPORT,
     ORIGIN_STORAGE,
     "this function is not supported by the connection driver: volume capacity required for this "
     "storage pool"},
    {XML_VOLUME, VOLUME_OF("<format type='q'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type q"},
    {XML_VOLUME, VOLUME_OF("<format type='none'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type none"},
    {XML_VOLUME, VOLUME_OF("<format type='luks'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type luks"},
    {XML_VOLUME, VOLUME_OF("<format type='unknown'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type unknown"},
    {XML_VOLUME, VOLUME_OF("<format type='vhdx'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type vhdx"},
    {VOLUME, "disk", VOLUME_OF("<format type='qcow2'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume format type qcow2"},
    {XML_VOLUME, VOLUME_OF("<permissions><mode>9</mode></permissions>"), STORAGE,
     "XML error: malformed octal mode"},
    {XML_VOLUME, VOLUME_OF("<permissions><owner>x</owner></permissions>"), STORAGE,
     "XML error: malformed owner element"},
    {XML_VOLUME, VOLUME_OF("<compat>1</compat>"), STORAGE,
     "XML error: forbidden characters in 'compat' attribute"},
    {XML_VOLUME, VOLUME_OF("<compat>1.1.1</compat>"), STORAGE,
     "XML error: forbidden characters in 'compat' attribute"},
    {XML_VOLUME, VOLUME_OF("<compat>-1.1</compat>"), STORAGE,
     "XML error: forbidden characters in 'compat' attribute"},
    {XML_VOLUME, VOLUME_OF("<clusterSize>x</clusterSize>"), XML,
     "XML error: Invalid value 'x' for element or attribute './target/clusterSize'"},
    {XML_VOLUME, VOLUME_OF("<clusterSize unit='Q'>1</clusterSize>"), UNIT,
     "invalid argument: unknown suffix 'Q'"},
    {XML_VOLUME, VOLUME_OF("<clusterSize unit='E'>16</clusterSize>"), OVERFLOW,
     "numerical overflow: value too large: 16E"},
    {XML_VOLUME, VOLUME_OF("<features><xx/></features>"), UNSUPPORTED,
     "unsupported configuration: unsupported feature xx"},
    {XML_VOLUME, SIZED("<backingStore><path>/b</path><format type='q'/></backingStore>"),
     UNSUPPORTED, "unsupported configuration: unknown volume format type q"},
    {XML_VOLUME,
     SIZED("<backingStore><path>/b</path><permissions><mode>9</mode></permissions></backingStore>"),
     STORAGE, "XML error: malformed octal mode"},

    /* Encryption. */
    {XML_VOLUME, VOLUME_OF("<encryption/>"), STORAGE,
     "XML error: unknown volume encryption format"},
    {XML_VOLUME, VOLUME_OF("<encryption format='xx'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume encryption format type xx"},
    {XML_VOLUME, VOLUME_OF("<encryption format='luks-any'/>"), UNSUPPORTED,
     "unsupported configuration: unknown volume encryption format type luks-any"},
    {XML_VOLUME, VOLUME_OF("<encryption format='luks' engine='q'/>"), XML,
     "XML error: Invalid value for attribute 'engine' in element 'encryption': 'q'."},
    {XML_VOLUME, SECRET(""), STORAGE, "XML error: unknown volume encryption secret type"},
    {XML_VOLUME, SECRET("type='x'"), UNSUPPORTED,
     "unsupported configuration: unknown volume encryption secret type x"},
    {XML_VOLUME, SECRET("type='passphrase'"), NO_ORIGIN,
     "XML error: missing secret uuid or usage attribute"},
    {XML_VOLUME, SECRET("type='passphrase' uuid='z' usage='u'"), NO_ORIGIN,
     "XML error: either secret uuid or usage expected"},
    {XML_VOLUME, SECRET("type='passphrase' uuid='z'"), NO_ORIGIN,
     "XML error: invalid secret uuid 'z'"},
    {XML_VOLUME, LUKS("<cipher/>"), STORAGE, "XML error: cipher info missing 'name' attribute"},
    {XML_VOLUME, LUKS("<cipher name='aes'/>"), XML,
     "XML error: Missing required attribute 'size' in element 'cipher'"},
    {XML_VOLUME, LUKS("<cipher name='aes' size='x'/>"), XML,
     "XML error: Invalid value for attribute 'size' in element 'cipher': 'x'. "
     "Expected non-negative integer value"},
    {XML_VOLUME, LUKS("<ivgen name='x'/>"), STORAGE,
     "XML error: ivgen element found, but cipher is missing"},
    {XML_VOLUME, LUKS("<cipher name='aes' size='1'/><ivgen/>"), STORAGE,
     "XML error: missing ivgen info name string"},

    /* The first of several faults. */
    {XML_VOLUME, "<volume type='qq'><capacity>1</capacity></volume>", STORAGE,
     "XML error: missing volume name element"},
    {XML_VOLUME,
     "<volume type='qq'><name>v</name><backingStore><path>/b</path><format type='q'/>"
     "</backingStore></volume>",
     UNSUPPORTED, "unsupported configuration: unknown volume type 'qq'"},
    {XML_VOLUME,
     SIZED("<capacity>x</capacity><backingStore><path>/b</path><format type='q'/></backingStore>"),
     UNSUPPORTED, "unsupported configuration: unknown volume format type q"},
    {XML_VOLUME, SIZED("<capacity>x</capacity><target><format type='q'/></target>"), STORAGE,
     "XML error: malformed capacity element"},
    {XML_VOLUME, VOLUME_OF("<encryption/><permissions><mode>9</mode></permissions>"), STORAGE,
     "XML error: malformed octal mode"},
    {XML_VOLUME, VOLUME_OF("<compat>x</compat><encryption/>"), STORAGE,
     "XML error: unknown volume encryption format"},
    {XML_VOLUME, VOLUME_OF("<clusterSize>x</clusterSize><compat>x</compat>"), STORAGE,
     "XML error: forbidden characters in 'compat' attribute"},
    {XML_VOLUME, VOLUME_OF("<features><x/></features><clusterSize>x</clusterSize>"), XML,
     "XML error: Invalid value 'x' for element or attribute './target/clusterSize'"},
};

/* Parses and throws away. */
static void parse(const Refusal *refusal, GError **error)
{
    const PoolSchema *schema = refusal->type ? golden_schema(refusal->type) : NULL;
    guint flags = refusal->kind == CLONE ? VOLUME_PARSE_CAPACITY_OPTIONAL : 0;

    if (refusal->kind == POOL) {
        g_autoptr(PoolDef) def = pool_def_parse(refusal->xml, backend_schemas(), 0, error);
        g_assert_null(def);
    } else if (refusal->kind == SOURCE) {
        g_autoptr(PoolSource) source = pool_source_parse(refusal->xml, schema, error);
        g_assert_null(source);
    } else {
        g_autoptr(VolumeDef) def = volume_def_parse(refusal->xml, schema, flags, error);
        g_assert_null(def);
    }
}

static void test_refusal(gconstpointer data)
{
    const Refusal *refusal = data;
    g_autoptr(GError) error = NULL;

    parse(refusal, &error);
    if (!error || !g_str_equal(error->message, refusal->message))
        g_test_message("%s", refusal->xml);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, refusal->message);
    g_assert_cmpint(error_code(error), ==, refusal->code);
    g_assert_cmpint(error_origin(error), ==, refusal->origin);
    /* Nobody has to ask why. */
    parse(refusal, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/refusal/%03u", i);

        g_test_add_data_func(path, &refusals[i], test_refusal);
    }
    return g_test_run();
}
